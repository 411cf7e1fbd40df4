// Another site, on this very machine, sends a form with the browser's own cookie.
import { createServer } from "node:http";
import { once } from "node:events";
import { check } from "../watch.mjs";

export const run = async ({ context, base, complaints }) => {
  const form = (target) => `<!doctype html><title>elsewhere</title><form method="post" action="${target}/topics">
    <input name="name" value="forged"><button>Win</button></form>`;
  const site = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(form(base)));
  // what fails in between ends the program all the same
  site.unref();
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const page = await context.newPage();
  await complaints.expecting([/./], async () => {
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    const [answer] = await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: "Win" }).click()]);
    check(answer.status() === 403, `a forged form was answered with ${answer.status()}`);
    const sent = await answer.request().allHeaders();
    check((sent.cookie || "").includes("bib-"), "the browser did not even bring its cookie: the test proves nothing");
    // nor may another site load anything of ours
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    const loaded = await page.evaluate((url) => fetch(url, { mode: "no-cors", credentials: "include" }).then(() => "loaded", () => "refused"), `${base}/topics`);
    check(loaded === "refused", `another site loads our pages: ${loaded}`);
  });
  await page.goto(`${base}/topics.json`);
  check(!(await page.textContent("body")).includes("forged"), "the forged topic was made");
  await page.close();
  site.close();
};
