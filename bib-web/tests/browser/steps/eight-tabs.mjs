// Eight tabs over plain HTTP: a browser has six connections for them, and all load, and all are live.
import { check, until } from "../watch.mjs";

export const run = async ({ browser, context, base, ask }) => {
  const many = await browser.newContext({ storageState: await context.storageState() });
  const streams = new Set();
  many.on("request", (request) => { if (new URL(request.url()).pathname === "/events") streams.add(request); });
  for (const event of ["requestfinished", "requestfailed"]) many.on(event, (request) => streams.delete(request));
  const open = () => [...streams].filter((request) => !request.frame().page().isClosed());
  const tabs = await Promise.all(Array.from({ length: 8 }, () => many.newPage()));
  await Promise.all(tabs.map((tab) => tab.goto(`${base}/topics`)));
  await until("one tab reads the stream", () => open().length === 1);
  await ask("topic", "seen-by-all");
  await Promise.all(tabs.map((tab) => tab.getByRole("link", { name: "seen-by-all" }).waitFor()));
  check(open().length === 1, `${open().length} streams of events for one browser`);

  // when the tab that reads is closed, another one goes on
  const reader = open()[0].frame().page();
  await reader.close();
  const rest = tabs.filter((tab) => tab !== reader);
  await until("another tab reads the stream", () => open().length === 1);
  await ask("topic", "seen-by-the-rest");
  await Promise.all(rest.map((tab) => tab.getByRole("link", { name: "seen-by-the-rest" }).waitFor()));

  // what is typed survives what arrives
  const typing = rest[0].getByLabel("Name", { exact: true });
  await typing.fill("half a na");
  await ask("topic", "while-typing");
  await rest[0].getByRole("link", { name: "while-typing" }).waitFor();
  check((await typing.inputValue()) === "half a na", "what was typed is gone");
  await many.close();
};
