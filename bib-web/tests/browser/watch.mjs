// Collects what the browser complains about: violations of the content security policy, errors on the console,
// exceptions in scripts.
export const watch = (context) => {
  let found = [];
  let ignored = [];
  context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  context.on("page", (page) => {
    page.on("pageerror", (error) => found.push(`${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() !== "error" && !/Content Security Policy/i.test(message.text())) return;
      if (ignored.some((pattern) => pattern.test(message.text()))) return;
      found.push(`${page.url()}: ${message.text()}`);
    });
  });
  return {
    /** What was found since the last look. */
    take: () => { const all = found; found = []; return all; },
    /** Errors that are meant to happen while `work` is done. */
    expecting: async (patterns, work) => {
      ignored = patterns;
      try { return await work(); } finally { ignored = []; }
    },
  };
};

/** Fails with a sentence. */
export const check = (holds, what) => { if (!holds) throw new Error(what); };

/** Waits for a condition with a deadline. */
export const until = async (what, condition, seconds = 30) => {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    if (await condition()) return;
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
