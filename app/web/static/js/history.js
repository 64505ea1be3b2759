// The history's filters count days by the visitor's clock.

const filters = document.getElementById("filters");
const minutes = -new Date().getTimezoneOffset();
const two = (number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
filters.zone.value = `${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
// An address with the conditions that were chosen, and without the empty ones, can be read and passed on.
filters.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  if (!formData.has("since") && !formData.has("until")) formData.delete("zone");
});
