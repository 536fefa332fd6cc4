// Runs before anything is painted, so that the page never shows in another theme or language than it will have. Both are in cookies, which
// src/chat/cookies.js names. A file of its own, because the server's content policy allows no script inside the page.
{
  const root = document.documentElement;
  const kept = Object.fromEntries(document.cookie.split("; ").map((pair) => pair.split("=")));
  if (kept.llmsite_theme === "light" || kept.llmsite_theme === "dark") root.dataset.theme = kept.llmsite_theme;
  if (/^zh/i.test(kept.llmsite_language || navigator.language)) root.lang = "zh-Hans";
}
