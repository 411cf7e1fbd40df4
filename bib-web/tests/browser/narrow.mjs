// Whether a page is wider than its window, and what in it is.

/** The widths over which the page goes, and the elements that stick out of every box that could scroll; none is good. */
export const tooWide = (page) =>
  page.evaluate(() => {
    const { scrollWidth } = document.scrollingElement;
    const width = Math.min(window.innerWidth, document.documentElement.clientWidth);
    const scrolls = (element) => {
      for (let box = element.parentElement; box && box !== document.documentElement; box = box.parentElement) {
        if (box !== document.body && getComputedStyle(box).overflowX !== "visible") return true;
      }
      return false;
    };
    const found = [];
    if (scrollWidth > width) found.push(`the page is ${scrollWidth} wide in a window of ${width}`);
    for (const element of document.body.querySelectorAll("*")) {
      const { right, width: own } = element.getBoundingClientRect();
      if (own > 0 && right > width + 0.5 && !scrolls(element)) {
        const name = `${element.localName}${element.id && `#${element.id}`}${element.className && `.${element.className}`}`;
        found.push(`${name} ends at ${Math.round(right)}: ${element.textContent.trim().slice(0, 40)}`);
      }
    }
    return found.slice(0, 5);
  });
