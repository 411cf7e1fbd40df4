// Small helps for pages that work without them: colours, copying, dialogs, the session's token.
"use strict";
(() => {
  const root = document.documentElement;
  const themes = ["system", "dark", "light"];
  const REFERRER_MAX = 4096;

  const wear = (theme) => {
    if (theme === "system") {
      root.removeAttribute("data-theme");
      document.cookie = "bib-theme=; path=/; max-age=0; samesite=strict";
    } else {
      root.setAttribute("data-theme", theme);
      document.cookie = `bib-theme=${theme}; path=/; max-age=31536000; samesite=strict`;
    }
    for (const form of document.querySelectorAll("[data-theme-form]")) {
      form.querySelector("button").value = themes[(themes.indexOf(theme) + 1) % themes.length];
      form.querySelector("[data-theme-name]").textContent = theme;
    }
  };

  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-theme-form]")) {
      event.preventDefault();
      wear(event.target.querySelector("button").value);
    }
  });

  // what a button copies is the text of the element that it names
  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };

  // a link to a question opens it as a dialog, where it is on the same page
  const ask = (event, link) => {
    const dialog = document.getElementById(link.dataset.opens);
    if (dialog && dialog.showModal) {
      event.preventDefault();
      if (dialog.open) dialog.close();
      dialog.showModal();
    }
  };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-copy], [data-opens], [data-closes]");
    if (!target) return;
    if (target.dataset.copy) copy(target);
    else if (target.dataset.opens) ask(event, target);
    else {
      const dialog = target.closest("dialog");
      if (dialog && dialog.open) { event.preventDefault(); dialog.close(); }
    }
  });

  // an editor is sent by Ctrl+Enter, since Enter begins a line
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("[data-submits]")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  });

  // a dialog's deed waits until the name was typed
  const guardDialogs = (where) => {
    for (const input of where.querySelectorAll("input[data-must-be]")) {
      const button = input.form && input.form.querySelector("button[data-deed]");
      if (button) button.disabled = input.value !== input.dataset.mustBe;
    }
  };
  document.addEventListener("input", () => guardDialogs(document));

  const shows = (where) => { for (const button of where.querySelectorAll("button.copy[hidden]")) button.hidden = false; };
  const ready = () => { shows(document); guardDialogs(document); };
  document.addEventListener("htmx:afterSettle", ready);
  document.addEventListener("htmx:configRequest", (event) => {
    const token = document.querySelector("meta[name=csrf]");
    if (token && event.detail.verb !== "get") event.detail.headers["X-CSRF-Token"] = token.content;
    // a long address goes along without what is asked in it, as browsers do in Referer: both would not fit one request
    if (location.href.length > REFERRER_MAX) event.detail.headers["HX-Current-URL"] = location.origin + location.pathname;
  });
  // a dialog that the server opened becomes a real one
  for (const dialog of document.querySelectorAll("dialog[open]")) { dialog.close(); dialog.showModal(); }
  ready();
})();
