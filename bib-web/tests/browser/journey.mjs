// The pages in a real Chromium, over a real node. Started by a test of the node, which does on the machine what this
// program asks for: it prints one line of JSON for each wish and reads one line as the answer.
import { chromium } from "playwright-core";
import { createInterface } from "node:readline";
import { launch } from "./browser.mjs";
import { watch } from "./watch.mjs";

// what the others need, from a node that nobody has used to one that knows another: never left out
const needed = ["sign-in", "empty", "nodes", "live"];
const steps = [
  "sign-in",
  "empty",
  "nodes",
  "dataset",
  "table",
  "command-line",
  "forms",
  "colours",
  "keyboard",
  "without-scripts",
  "forged",
  "shared-link",
  "eight-tabs",
  "missed",
  "fresh",
  "ended",
  "live",
  "accessible",
  "narrow",
  "outage",
];

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const ask = async (what, words = "") => {
  console.log(JSON.stringify({ ask: what, words }));
  const { value, done } = await lines.next();
  if (done) throw new Error(`nobody answers: ${what}`);
  const answer = JSON.parse(value);
  if (answer.error) throw new Error(`${what}: ${answer.error}`);
  return answer.text;
};

const browser = await chromium.launch(launch);
const context = await browser.newContext({ acceptDownloads: true });
context.setDefaultTimeout(30000);
const complaints = watch(context);
const page = await context.newPage();
const journey = { browser, context, page, ask, complaints, base: "", other: "" };
const only = process.env.BIB_STEPS ? process.env.BIB_STEPS.split(",") : steps;
try {
  for (const step of steps.filter((step) => needed.includes(step) || only.includes(step))) {
    const began = performance.now();
    const { run } = await import(`./steps/${step}.mjs`);
    await run(journey);
    console.log(JSON.stringify({ step, ms: Math.round(performance.now() - began) }));
    const found = complaints.take();
    if (found.length > 0) throw new Error(`${step}: the browser complains:\n${found.join("\n")}`);
  }
  console.log(JSON.stringify({ end: "whole" }));
} catch (error) {
  if (process.env.BIB_SHOTS) await page.screenshot({ path: `${process.env.BIB_SHOTS}/failed.png`, fullPage: true });
  const at = browser.contexts().flatMap((one) => one.pages()).map((one) => one.url()).join(" ");
  console.log(JSON.stringify({ end: "broken", error: String(error.stack || error), at }));
  process.exitCode = 1;
} finally {
  await browser.close();
  process.stdin.destroy();
}
