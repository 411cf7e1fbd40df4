// Pictures of pages for people, when BIB_SHOTS names a folder for them.
const folder = process.env.BIB_SHOTS;

/** The widths at which pages are looked at: pictures are of wide ones, too. */
export const widths = folder ? [1280, 320] : [320];

/** Takes the page as it stands, in light and dark colours. */
export const picture = async (page, name) => {
  if (!folder) return;
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${folder}/${name}-${page.viewportSize().width}-${colorScheme}.png`, fullPage: true });
  }
};
