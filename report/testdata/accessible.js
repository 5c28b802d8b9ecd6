// Lists what keeps a reader out: the rules of WCAG 2.1 A and AA that a script
// can decide, run inside the page.
() => {
  const problems = [];
  const report = (what, e) => problems.push(what + ": " + e.outerHTML.slice(0, 120));
  const visible = (e) => e.getClientRects().length > 0;

  if (!document.documentElement.lang) problems.push("the page has no language");
  if (!document.title.trim()) problems.push("the page has no title");
  for (const name of ["header", "nav", "main"])
    if (document.querySelectorAll(name).length !== 1) problems.push("there is not one " + name);

  let level = 0;
  for (const h of document.querySelectorAll("h1,h2,h3,h4,h5,h6")) {
    const n = Number(h.tagName[1]);
    if (n > level + 1) report("a heading level is left out", h);
    if (!h.textContent.trim()) report("an empty heading", h);
    level = n;
  }
  if (document.querySelectorAll("h1").length !== 1) problems.push("there is not one h1");

  const name = (e) =>
    e.getAttribute("aria-label") ||
    (e.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean)
      .map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim() ||
    e.getAttribute("alt") || e.textContent.trim();
  for (const e of document.querySelectorAll("img, a, button, nav, section, table, [role], [tabindex]"))
    if (!name(e)) report("no accessible name", e);
  for (const img of document.images) if (img.alt.length < 20) report("the alternative text says little", img);
  for (const a of document.querySelectorAll('a[href^="#"]'))
    if (!document.getElementById(a.hash.slice(1))) report("the link leads nowhere", a);
  for (const e of document.querySelectorAll("[id]"))
    if (document.querySelectorAll("#" + CSS.escape(e.id)).length > 1) report("an id twice", e);
  for (const th of document.querySelectorAll("th")) if (!th.scope) report("a header cell without scope", th);
  for (const e of document.querySelectorAll(".scroll"))
    if (e.scrollWidth > e.clientWidth && e.tabIndex < 0) report("scrolls, but not by keyboard", e);

  // Contrast of text with what is behind it: 4.5 to 1, or 3 to 1 where large.
  const rgb = (s) => s.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const f = (c) => ((c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  for (const e of document.querySelectorAll("body *")) {
    const text = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (!text || !visible(e) || e.tagName === "SCRIPT") continue;
    const style = getComputedStyle(e);
    const [x, y] = [luminance(rgb(style.color)), luminance(behind(e))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if ((x + 0.05) / (y + 0.05) < (large ? 3 : 4.5)) report("too little contrast", e);
    if (size < 12) report("text smaller than 12 pixels", e);
  }
  // A target for a finger is 24 pixels high (WCAG 2.2, 2.5.8), but in a line.
  for (const e of document.querySelectorAll("nav a, button"))
    if (visible(e) && e.getBoundingClientRect().height < 18) report("a small target", e);
  return problems;
}
