// The page's texts, in the language that the server chose, and names of classes in it.

const page = JSON.parse(document.getElementById("page").textContent);

export const language = page.language;
export const catalog = page.catalog;
export const catalogId = page.catalog_id; // names may change, and be given to another
export const pageOwner = page.owner;
export const scans = page.scans; // whether photos are looked at everywhere in this catalog
export const curates = page.curates;
export const titles = page.titles; // of classes, by id

export function t(key, parts = {}) {
  return page.texts[key].replace(/\{(\w+)\}/g, (_, name) => parts[name]);
}

/** What a person reads of a problem that the service answered with. */
export function explain(problem) {
  const ours = page.texts[`problem.${problem.code}`];
  return ours ?? problem.detail ?? t("problem.internal-error");
}

export function named(defectClass) {
  const { title_ko: korean, title_en: english, name } = defectClass;
  return (language === "ko" ? korean || english : english || korean) || name;
}

export function alsoNamed(defectClass) {
  const other = language === "ko" ? defectClass.title_en : defectClass.title_ko;
  return other === named(defectClass) ? "" : other;
}

export const percent = (share) => new Intl.NumberFormat(language, { style: "percent" }).format(share);

/** A time in the visitor's zone and language; a time without a zone stays as the camera wrote it. */
export function moment(iso) {
  return new Date(iso).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}
