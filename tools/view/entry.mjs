// The libraries of the site under one global name, so that a page opened from a folder can load them.
import { cell, dot, ruleX, ruleY, plot } from "@observablehq/plot";
import { Virtualizer, elementScroll, observeElementOffset, observeElementRect, measureElement, windowScroll, observeWindowOffset, observeWindowRect } from "@tanstack/virtual-core";
import { decompress } from "fzstd";
import { parquetRead } from "hyparquet";

globalThis.vendor = {
  cell, dot, ruleX, ruleY, plot,
  Virtualizer, elementScroll, observeElementOffset, observeElementRect, measureElement, windowScroll, observeWindowOffset, observeWindowRect,
  decompress,
  parquetRead,
};
