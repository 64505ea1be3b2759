// From one answer to the next, by link, arrow key or swipe, in the order of the list that was looked at last.

const KEY = "haja-list";
const FAR = 80; // pixels that a finger must move across

/** The history remembers what it shows, and with which filter. */
export function rememberList(ids) {
  sessionStorage.setItem(KEY, JSON.stringify({ search: location.search, ids }));
}

/** Point the links of an answer's page to its neighbours, and "back" to the filtered list. */
export function neighbours(id) {
  const { search, ids } = JSON.parse(sessionStorage.getItem(KEY)) ?? { search: "", ids: [] };
  document.querySelector(".back a").href = `/history${search}`;
  const place = ids.indexOf(id);
  const links = { previous: ids[place - 1], next: place < 0 ? undefined : ids[place + 1] };
  for (const [name, other] of Object.entries(links)) {
    const link = document.getElementById(name);
    link.hidden = !other;
    if (other) link.href = `/classifications/${other}`;
  }
  const go = (name) => {
    const link = document.getElementById(name);
    if (!link.hidden) link.click();
  };
  addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, textarea, select, dialog") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") go("previous");
    if (event.key === "ArrowRight") go("next");
  });
  const picture = document.querySelector(".picture");
  let start = null;
  const isSwipe = ({ touches, target }) => touches.length === 1 && !target.closest(".edited, .draws, dialog");
  picture.addEventListener("touchstart", (event) => (start = isSwipe(event) ? event.touches[0] : null), { passive: true });
  picture.addEventListener("touchend", ({ changedTouches: [end] }) => {
    if (!start) return;
    const across = end.clientX - start.clientX;
    if (Math.abs(across) > FAR && Math.abs(end.clientY - start.clientY) < FAR) go(across > 0 ? "previous" : "next");
  });
}
