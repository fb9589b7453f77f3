// report_chart.js: the map of a partition: offsets from left to right, a row for segments, one for
// all batches, one for each producer with its batches above and its transactions below.

const SVG = "http://www.w3.org/2000/svg";
const SPAN_MIN = 4;  // offsets that fill the width at least

/// A new element in `parent`; texts go in as text, never as markup.
function svg(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

/// The first index from which on `is_true` holds, in a list that is ordered so.
function partition_point(list, is_true) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (is_true(list[middle])) high = middle; else low = middle + 1;
  }
  return low;
}

class Chart {
  /// `facts(hit)` answers [{title, rows: [[name, value]]}] for what lies at a place.
  constructor(facts) {
    this.facts = facts;
    this.map = document.getElementById("map");
    this.drawing = document.getElementById("drawing");
    this.cursor = document.getElementById("cursor");
    this.box = document.getElementById("facts");
    this.listen();
  }

  show(partition) {
    this.partition = partition;
    const {offsets} = partition;
    const begin = Math.min(+offsets.first_segment, +offsets.log_start);
    const span = Math.max(+offsets.log_end - begin, 1);
    this.whole = {begin, end: begin + span * 1.02};
    this.lay_rows();
    this.hide();
    this.zoom_to(this.whole);
  }

  lay_rows() {
    const {partition} = this;
    const rows = [{kind: "segments", label: "segments", height: 20, items: partition.segments},
      {kind: "all", label: "all batches", height: 30, items: partition.cells}];
    for (const lane of partition.lanes) {
      rows.push({kind: "lane", label: lane.label, height: 36, items: lane.cells, lane});
    }
    let y = 96;
    for (const row of rows) {
      row.y = y;
      y += row.height + 5;
    }
    this.rows = rows;
    this.height = y + 2;
    this.map.setAttribute("height", this.height);
  }

  // --- where things are ---

  x(offset) {
    return this.left + (offset - this.view.begin) * this.scale;
  }
  offset_at(x) {
    return this.view.begin + (x - this.left) / this.scale;
  }
  /// From `begin` to `end` as far as it is in the view, `least` pixels at least; or nothing.
  stretch(begin, end, least) {
    if (end < this.view.begin || begin > this.view.end) return null;
    const from = Math.max(this.x(begin), this.left);
    const to = Math.min(this.x(end), this.right);
    return {x: from, width: Math.max(to - from, least)};
  }

  zoom_to(view) {
    const span = Math.min(Math.max(view.end - view.begin, SPAN_MIN),
      Math.max(this.whole.end - this.whole.begin, SPAN_MIN));
    const begin = Math.max(this.whole.begin, Math.min(view.begin, this.whole.end - span));
    this.view = {begin, end: begin + span};
    if (this.is_waiting) return;
    this.is_waiting = true;
    requestAnimationFrame(() => {
      this.is_waiting = false;
      this.draw();
    });
  }
  /// A factor below 1 shows more detail; the offset stays where it is.
  zoom(factor, offset) {
    const {begin, end} = this.view;
    const fixed = offset ?? (begin + end) / 2;
    this.zoom_to({begin: fixed - (fixed - begin) * factor, end: fixed + (end - fixed) * factor});
  }
  pan(share) {
    const step = (this.view.end - this.view.begin) * share;
    this.zoom_to({begin: this.view.begin + step, end: this.view.end + step});
  }

  // --- drawing ---

  draw() {
    const start = performance.now();
    const width = Math.max(this.map.clientWidth, 320);
    this.left = Math.min(190, width * 0.25);
    this.right = width - 12;
    this.scale = (this.right - this.left) / (this.view.end - this.view.begin);
    this.drawing.replaceChildren();
    this.draw_ticks();
    for (const row of this.rows) this.draw_row(row);
    this.draw_held();
    this.draw_damages();
    this.draw_ends();
    this.draw_cursor();
    const shown = [Math.ceil(this.view.begin), Math.floor(this.view.end)];
    document.getElementById("range").textContent = `offsets ${shown[0]} to ${shown[1]}`;
    document.documentElement.dataset.drawn = (performance.now() - start).toFixed(1);
  }

  draw_ticks() {
    const raw = (this.view.end - this.view.begin) / Math.max((this.right - this.left) / 110, 2);
    const power = 10 ** Math.floor(Math.log10(Math.max(raw, 1)));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
    let tick = Math.ceil(this.view.begin / step) * step;
    for (; tick <= this.view.end; tick += step) {
      const x = this.x(tick);
      svg(this.drawing, "line", {class: "tick", x1: x, x2: x, y1: 90, y2: this.height});
      svg(this.drawing, "text", {class: "quiet", x, y: 86, "text-anchor": "middle"}, tick);
    }
  }

  draw_row(row) {
    const {drawing} = this;
    const {y, height} = row;
    svg(drawing, "rect", {class: "lane", x: this.left, y, height, width: this.right - this.left});
    const room = Math.floor((this.left - 12) / 6.6);
    const label = row.label.length > room ? `${row.label.slice(0, room - 1)}…` : row.label;
    svg(drawing, "text", {x: this.left - 8, y: y + height / 2 + 4, "text-anchor": "end"}, label);
    if (row.kind === "segments") {
      this.draw_segments(row);
    } else {
      const cells_height = row.kind === "lane" ? 20 : height;
      this.draw_cells(row, cells_height);
    }
    if (row.kind === "lane") {
      this.draw_merged(row, "commits", "committed", y + 23);
      this.draw_merged(row, "aborts", "aborted", y + 28);
      for (const one of row.lane.transactions) this.draw_transaction(one, y + 23);
    }
  }

  draw_segments(row) {
    row.items.forEach((segment, index) => {
      const at = this.stretch(segment.begin, segment.end, 1);
      if (!at) return;
      const gap = at.width > 4 ? 1 : 0;
      svg(this.drawing, "rect", {class: index % 2 ? "segment next" : "segment", y: row.y,
        height: row.height, x: at.x, width: at.width - gap});
      const name = segment.count > 1 ? `${segment.count} segments` : String(segment.base);
      if (at.width < name.length * 7 + 8) return;
      svg(this.drawing, "text", {x: at.x + 4, y: row.y + 14}, name);
    });
  }

  /// One path for all cells of a row; those that share a pixel are one column of it.
  draw_cells(row, height) {
    const {begin, end} = this.view;
    const first = partition_point(row.items, (cell) => cell.end >= begin);
    let path = "";
    let column = null;
    let count = 0;
    const flush = () => {
      if (!column) return;
      const tall = Math.max(column.share, 0.15) * height;
      const width = column.to - column.from;
      path += `M${column.from.toFixed(1)} ${(row.y + height - tall).toFixed(1)}`;
      path += `h${width.toFixed(1)}v${tall.toFixed(1)}h${(-width).toFixed(1)}z`;
      ++count;
    };
    for (let i = first; i < row.items.length && row.items[i].begin <= end; ++i) {
      const cell = row.items[i];
      const at = this.stretch(cell.begin, cell.end, 0.8);
      if (!at) continue;
      const to = at.x + at.width - (at.width > 4 ? 1 : 0);
      if (column && to - column.from < 1.6) {
        column.to = Math.max(to, column.to);
        column.share = Math.max(column.share, cell.share);
        continue;
      }
      flush();
      column = {from: at.x, to, share: cell.share};
    }
    flush();
    svg(this.drawing, "path", {class: "cells", d: path, "data-columns": count});
  }

  /// Where batches are merged their transactions are, too, but for the longest: a band says where
  /// there are markers of either kind.
  draw_merged(row, markers, state, y) {
    const {begin, end} = this.view;
    let path = "";
    let right = -Infinity;
    let i = partition_point(row.items, (cell) => cell.end >= begin);
    for (; i < row.items.length && row.items[i].begin <= end; ++i) {
      const cell = row.items[i];
      const at = cell.batches > 1 && cell[markers] > 0 && this.stretch(cell.begin, cell.end, 1);
      if (!at || at.x + at.width < right + 0.5) continue;
      path += `M${at.x.toFixed(1)} ${y}h${at.width.toFixed(1)}v5h${(-at.width).toFixed(1)}z`;
      right = at.x + at.width;
    }
    if (path) svg(this.drawing, "path", {class: `merged ${state}`, d: path});
  }

  draw_transaction(one, y) {
    const height = 10;
    const bar = (state, begin, end) => {
      const at = this.stretch(begin, end, 2);
      if (!at) return null;
      svg(this.drawing, "rect", {class: `bar ${state}`, y, height, x: at.x, width: at.width,
        "data-pid": one.pid});
      return at;
    };
    if (one.state !== "open") {
      const at = bar(one.is_unreplicated ? "unreplicated" : one.state, +one.first, one.end);
      if (at && at.width > 12) this.draw_marker(one, y + height / 2);
      return;
    }
    bar("open", +one.first, +one.last + 1);
    const rest = bar("open-rest", +one.last + 1, one.end);
    const text = `${one.is_hanging ? "hanging" : "open"} ${one.age}`;
    if (!rest || rest.width < text.length * 7 + 8) return;
    svg(this.drawing, "text", {class: "in-bar", x: rest.x + 5, y: y + 9}, text);
  }

  draw_marker(one, y) {
    const x = this.x(+one.marker + 0.5);
    if (x < this.left || x > this.right) return;
    const d = one.state === "committed" ? `M${x - 4} ${y}l3 4l6 -8l-6 6l-2 -3z`
      : `M${x - 4} ${y - 3}l1 -1l3 3l3 -3l1 1l-3 3l3 3l-1 1l-3 -3l-3 3l-1 -1l3 -3z`;
    svg(this.drawing, "path", {class: "marker", d, "data-state": one.state});
  }

  draw_held() {
    const {offsets} = this.partition;
    if (!(+offsets.last_stable_offset < +offsets.log_end)) return;
    const at = this.stretch(+offsets.last_stable_offset, +offsets.log_end, 2);
    if (!at) return;
    svg(this.drawing, "rect", {class: "held", x: at.x, width: at.width, y: 90,
      height: this.height - 90});
  }

  draw_damages() {
    for (const damage of this.partition.damages) {
      const at = this.stretch(+damage.begin, +damage.end, 4);
      if (!at) continue;
      const top = this.rows[0].y;
      svg(this.drawing, "rect", {class: "damage", x: at.x, width: at.width, y: top,
        height: this.height - top - 4, "fill-opacity": 0.75});
      const x = at.x + at.width / 2;
      svg(this.drawing, "path", {class: "damage-flag", d: `M${x - 6} ${top - 9}h12l-6 9z`});
    }
  }

  /// Ends at one offset share a line; labels that would meet go to another height.
  draw_ends() {
    const groups = new Map();
    for (const [key, name] of END_NAMES) {
      const offset = this.partition.offsets[key];
      const group = groups.get(String(offset)) ?? {offset, keys: [], names: []};
      group.keys.push(key);
      group.names.push(name);
      groups.set(String(offset), group);
    }
    const taken = [[], [], [], []];
    for (const group of groups.values()) {
      const x = this.x(+group.offset);
      if (x < this.left - 1 || x > this.right + 1) continue;
      const text = `${group.names.join(" = ")} ${group.offset}`;
      const width = text.length * 7;
      const begin = x + 4 + width <= this.right + 8 ? x + 4 : Math.max(x - 4 - width, 0);
      const level = Math.max(taken.findIndex((boxes) => boxes.every(
        (box) => begin > box.end || begin + width < box.begin)), 0);
      taken[level].push({begin, end: begin + width + 8});
      const y = 14 + level * 16;
      const line = {class: `end-line ${group.keys.join(" ")}`, x1: x, x2: x, y1: y - 10,
        y2: this.height, "data-offset": group.offset};
      svg(this.drawing, "line", line);
      const is_left = begin < x;
      svg(this.drawing, "text", {class: "end", x: is_left ? x - 4 : begin, y,
        "text-anchor": is_left ? "end" : "start"}, text);
    }
  }

  // --- what lies where ---

  /// What is at a place: its row, offset, cell or segment, transactions, damages.
  hit(row, offset) {
    const slack = 3 / this.scale;
    const holds = (item) => item.begin - slack <= offset && offset < item.end + slack;
    const at = partition_point(row.items, (item) => item.end > offset);
    const item = [row.items[at], row.items[at - 1], row.items[at + 1]].find(
      (near) => near && holds(near));
    const transactions = (row.lane?.transactions ?? []).filter(
      (one) => +one.first - slack <= offset && offset < one.end + slack);
    const damages = this.partition.damages.filter(
      (one) => +one.begin - slack <= offset && offset <= +one.end + slack);
    return {row, offset, item, transactions: transactions.slice(0, 3), damages};
  }

  tell(hit, x, y) {
    const blocks = this.facts(hit);
    this.box.hidden = blocks.length === 0;
    fill_facts(this.box, blocks);
    const room = this.map.clientWidth - this.box.offsetWidth - 4;
    this.box.style.left = `${Math.max(Math.min(x + 16, room), 0)}px`;
    const is_above = y + 18 + this.box.offsetHeight > this.height && y > this.box.offsetHeight;
    this.box.style.top = `${is_above ? y - this.box.offsetHeight - 8 : y + 18}px`;
  }

  hide() {
    this.at = null;
    this.box.hidden = true;
    this.draw_cursor();
  }

  draw_cursor() {
    this.cursor.replaceChildren();
    if (this.dragged) {
      const {from, to} = this.dragged;
      svg(this.cursor, "rect", {class: "chosen", x: Math.min(from, to), y: 90,
        width: Math.abs(to - from), height: this.height - 90});
    }
    if (!this.at) return;
    const {row, item} = this.at;
    const shape = item && this.stretch(item.begin, item.end, 3);
    if (!shape) return;
    svg(this.cursor, "rect", {x: shape.x - 1, width: shape.width + 2, y: row.y - 1,
      height: row.height + 2});
  }

  // --- pointer and keys ---

  listen() {
    const {map} = this;
    const place = (event) => {
      const frame = map.getBoundingClientRect();
      return {x: event.clientX - frame.left, y: event.clientY - frame.top};
    };
    const clamp = (x) => Math.max(this.left, Math.min(x, this.right));
    map.addEventListener("pointermove", (event) => {
      const {x, y} = place(event);
      if (this.dragged) {
        this.dragged.to = clamp(x);
        this.draw_cursor();
        return;
      }
      const row = this.rows.find((one) => y >= one.y - 3 && y < one.y + one.height + 3);
      if (!row || x < this.left || x > this.right) {
        this.hide();
        return;
      }
      this.at = this.hit(row, this.offset_at(x));
      this.tell(this.at, x, y);
      this.draw_cursor();
    });
    map.addEventListener("pointerleave", () => this.hide());
    map.addEventListener("pointerdown", (event) => {
      const {x} = place(event);
      if (event.button !== 0 || x < this.left) return;
      map.setPointerCapture(event.pointerId);
      this.dragged = {from: x, to: x};
    });
    map.addEventListener("pointerup", () => {
      const {from, to} = this.dragged ?? {from: 0, to: 0};
      this.dragged = null;
      this.draw_cursor();
      if (Math.abs(to - from) < 6) return;
      this.zoom_to({begin: this.offset_at(Math.min(from, to)),
        end: this.offset_at(Math.max(from, to))});
    });
    map.addEventListener("dblclick", () => this.zoom_to(this.whole));
    map.addEventListener("wheel", (event) => {
      event.preventDefault();
      const {x} = place(event);
      this.zoom(event.deltaY < 0 ? 0.8 : 1.25, this.offset_at(clamp(x)));
      this.hide();
    }, {passive: false});
    map.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !this.press(event.key)) return;
      event.preventDefault();
    });
    new ResizeObserver(() => this.partition && this.zoom_to(this.view)).observe(map);
  }

  /// Whether the key means something here.
  press(key) {
    const keys = {
      "ArrowRight": () => this.step(1), "ArrowLeft": () => this.step(-1),
      "ArrowDown": () => this.change_row(1), "ArrowUp": () => this.change_row(-1),
      "+": () => this.zoom(0.5, this.at?.item?.begin), "=": () => this.zoom(0.5),
      "-": () => this.zoom(2), "0": () => this.zoom_to(this.whole),
      "Home": () => this.step(-Infinity), "End": () => this.step(Infinity),
      "Escape": () => this.hide(),
    };
    keys[key]?.();
    return key in keys;
  }

  step(count) {
    const row = this.at?.row ?? this.rows[1];
    if (row.items.length === 0) return;
    const now = this.at?.item ? row.items.indexOf(this.at.item) : -1;
    const next = Math.max(0, Math.min(now + count, row.items.length - 1));
    this.go_to(row, row.items[next]);
  }

  change_row(count) {
    const now = this.rows.indexOf(this.at?.row ?? this.rows[0]);
    const row = this.rows[Math.max(0, Math.min(now + count, this.rows.length - 1))];
    const offset = this.at?.item?.begin ?? this.view.begin;
    const at = partition_point(row.items, (item) => item.end > offset);
    this.go_to(row, row.items[Math.min(at, row.items.length - 1)]);
  }

  go_to(row, item) {
    if (!item) return;
    if (item.begin < this.view.begin || item.begin > this.view.end) {
      const span = this.view.end - this.view.begin;
      this.zoom_to({begin: item.begin - span / 2, end: item.begin + span / 2});
      this.scale = (this.right - this.left) / span;
    }
    this.at = {...this.hit(row, item.begin), item};
    this.draw_cursor();
    this.tell(this.at, this.x(item.begin), row.y + row.height);
    document.getElementById("spoken").textContent = this.facts(this.at).map(
      (block) => `${block.title}: ${block.rows.map((one) => one.join(" ")).join(", ")}`).join("; ");
  }
}
