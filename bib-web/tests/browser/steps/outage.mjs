// The node stops: the page says so. It comes back: so does the page, without anybody's help, and the session still holds.
import { until } from "../watch.mjs";

export const run = async ({ page, ask, base, complaints }) => {
  await complaints.expecting([/./], async () => {
    const stream = page.waitForResponse((response) => new URL(response.url()).pathname === "/events");
    await page.goto(`${base}/topics`);
    await stream;
    await ask("stop");
    const banner = page.locator("#away");
    await banner.getByText(/Disconnected from the node. Trying again in \d+ s/).waitFor({ timeout: 60000 });
    await ask("start");
    await until("the banner goes", () => banner.isHidden(), 60);
    await ask("topic", "after-the-outage");
    await page.getByRole("link", { name: "after-the-outage" }).waitFor();
  });
  complaints.take();
};
