"use strict";
// A list of which only the rows in sight exist as elements, by TanStack Virtual.
{
  /**
   * Fill a scrolling element with rows.
   * `make(index)` gives an element; `size(index)` its height, or a first guess of it if `measured`.
   */
  inoc.virtual = (scroller, { count, size, make, measured = false, label }) => {
    const space = inoc.el("div", { class: "space", role: "presentation" });
    scroller.replaceChildren(space);
    if (label) scroller.setAttribute("aria-label", label);
    const there = new Map(); // index → element
    let total = count;
    const options = () => ({
      count: total,
      getScrollElement: () => scroller,
      estimateSize: size,
      overscan: 6,
      observeElementRect: vendor.observeElementRect,
      observeElementOffset: vendor.observeElementOffset,
      scrollToFn: vendor.elementScroll,
      measureElement: vendor.measureElement,
      indexAttribute: "data-index",
      onChange: draw,
    });
    const virtual = new vendor.Virtualizer(options());
    function draw() {
      const items = virtual.getVirtualItems();
      space.style.height = `${virtual.getTotalSize()}px`;
      const wanted = new Set(items.map((item) => item.index));
      for (const [index, element] of there) if (!wanted.has(index)) { element.remove(); there.delete(index); }
      for (const item of items) {
        let element = there.get(item.index);
        if (!element) {
          element = make(item.index);
          element.setAttribute("data-index", item.index);
          element.style.position = "absolute";
          if (!measured) element.style.height = `${item.size}px`;
          there.set(item.index, element);
          // In the order of the rows, which the keyboard follows.
          const after = [...there.keys()].filter((index) => index > item.index).sort((a, b) => a - b)[0];
          space.insertBefore(element, after === undefined ? null : there.get(after));
          if (measured) virtual.measureElement(element);
        }
        element.style.transform = `translateY(${item.start}px)`;
      }
    }
    const unmount = virtual._didMount();
    virtual._willUpdate();
    draw();
    return {
      update(n) {
        total = n;
        for (const element of there.values()) element.remove();
        there.clear();
        virtual.setOptions(options());
        virtual._willUpdate();
        draw();
      },
      scrollTo: (index) => { virtual.scrollToIndex(index, { align: "auto" }); draw(); },
      element: (index) => there.get(index),
      stop: unmount,
    };
  };
}
