// Runs before anything is painted, so that the page never shows in another theme or language than it will have. What it reads is written by
// src/app/looks.js and src/app/words.js. A file of its own, because the server's content policy allows no script inside the page.
try {
  const root = document.documentElement;
  const { theme } = JSON.parse(localStorage.getItem("llmsite.looks") || "{}");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  if (/^zh/i.test(localStorage.getItem("llmsite.language") || navigator.language)) root.lang = "zh-Hans";
} catch {
  // Storage is shut, or holds what is not ours: the system's theme is shown until the client itself is there.
}
