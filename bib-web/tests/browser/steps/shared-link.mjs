// A link to a page, on another site: whoever is signed in arrives, whoever is not comes by the sign-in.
import { createServer } from "node:http";
import { once } from "node:events";
import { check } from "../watch.mjs";

const path = "/datasets/flights/nyc";

export const run = async ({ browser, context, base, ask, complaints }) => {
  const page = `<!doctype html><title>elsewhere</title><link rel="icon" href="data:,"><a href="${base}${path}">the data</a>`;
  const site = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(page));
  // what fails in between ends the program all the same
  site.unref();
  site.listen(0, "localhost");
  await once(site, "listening");
  const elsewhere = `http://localhost:${site.address().port}/`;
  check(new URL(base).hostname !== "localhost", `${base} is of the same site as ${elsewhere}: the test proves nothing`);

  const tab = await context.newPage();
  await tab.goto(elsewhere);
  const first = tab.waitForRequest((request) => request.url() === base + path);
  await tab.getByRole("link", { name: "the data" }).click();
  const sent = await (await first).allHeaders();
  check(sent["sec-fetch-site"] === "cross-site", `the browser says ${sent["sec-fetch-site"]}: the test proves nothing`);
  check(!(sent.cookie || "").includes("bib-"), "the cookie came along from another site");
  await tab.waitForURL(base + path);
  await tab.getByRole("heading", { level: 1, name: "flights/nyc" }).waitFor();
  await tab.getByRole("button", { name: "Sign out" }).waitFor();
  await tab.close();

  const stranger = await browser.newContext();
  const other = await stranger.newPage();
  await other.goto(elsewhere);
  await other.getByRole("link", { name: "the data" }).click();
  await other.getByLabel("Signature").waitFor();
  check(new URL(other.url()).searchParams.get("next") === path, `the way back is lost: ${other.url()}`);
  const command = await other.locator("#sign").textContent();
  await other.getByLabel("Signature").fill(await ask("sign", command.replace("bib auth sign ", "").trim()));
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.waitForURL(base + path);
  await other.getByRole("heading", { level: 1, name: "flights/nyc" }).waitFor();
  await stranger.close();
  site.close();
  complaints.take();
};
