// Days as the visitor's clock counts them.

const minutes = -new Date().getTimezoneOffset();
const two = (number) => String(Math.floor(Math.abs(number))).padStart(2, "0");

/** The visitor's zone as an offset, such as +09:00. */
export const offset = `${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;

/** The visitor's zone by its IANA name. */
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";

/** The day of a moment, such as 2026-11-28. */
export const dayOf = (moment) => `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
