// report_page.js: the data, as report_json.cc writes it, and everything around the map: which
// partition, what holds its readers back, its ends, tables, the facts of what the pointer is over.

const END_NAMES = [["log_start", "log start"], ["last_stable_offset", "last stable offset"],
  ["high_watermark", "high watermark"], ["log_end", "log end"]];

function by_id(id) {
  return document.getElementById(id);
}

/// A new element; children are elements or text, never markup.
function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// --- words ---

function time_text(ms) {
  if (!(ms >= 0)) return "-";
  return ms <= 253402300799999 ? new Date(ms).toISOString() : String(ms);
}

/// Two units at most, as duration_text() of the command.
function duration_text(ms) {
  const two = (number) => String(number).padStart(2, "0");
  const seconds = Math.floor(ms / 1000);
  if (ms < 1000) return `${ms}ms`;
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h${two(minutes % 60)}m` : `${Math.floor(hours / 24)}d${hours % 24}h`;
}

function bytes_text(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < units.length - 1; ++unit) value /= 1024;
  return unit === 0 ? `${bytes} bytes` : `${value.toFixed(1)} ${units[unit]}`;
}

function count_text(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

function file_name(base) {
  return `${String(base).padStart(20, "0")}.log`;
}

function range_text(begin, end) {
  return end - begin <= 1 ? String(begin) : `${begin} to ${end - 1}`;
}

// --- data ---

/// Rows of numbers to cells: differences are summed up, what is left out at the end is 0.
function decode(rows, time_zero) {
  let begin = 0;
  let segment = 0;
  let time = time_zero;
  return rows.map((row) => {
    const [step, span, segment_step, position = 0, bytes = 0, batches = 0, records = 0, epoch = 0,
      time_step = 0, duration = 0, transactional = 0, commits = 0, aborts = 0] = row;
    begin += step;
    segment += segment_step ?? 0;
    time += time_step;
    const share = Math.min((records + commits + aborts) / Math.max(span ?? 0, 1), 1);
    return {begin, end: begin + (span ?? 0), segment, position, bytes, batches, records, epoch,
      from: duration < 0 ? -1 : time, to: duration < 0 ? -1 : time + duration, transactional,
      commits, aborts, share};
  });
}

function decode_lane(lane, label, partition) {
  return {...lane, label, total: decode([lane.total], partition.time_zero)[0],
    cells: decode(lane.cells, partition.time_zero), transactions: []};
}

function decode_transaction(one, partition) {
  const {offsets} = partition;
  const is_open = one.state === "open";
  const age_ms = one.from < 0 ? null : Math.max((is_open ? partition.now : one.to) - one.from, 0);
  return {...one, age_ms, age: age_ms === null ? "" : duration_text(age_ms),
    is_hanging: is_open && age_ms > partition.hanging_ms,
    is_unreplicated: !is_open && offsets.high_watermark_known &&
      +one.marker >= +offsets.high_watermark,
    end: is_open ? Math.max(+offsets.log_end, +one.last + 1) : +one.marker + 1};
}

function decode_partition(raw) {
  const zero = raw.time_zero;
  const lanes = raw.lanes.map((lane) => decode_lane(
    lane, +lane.pid < 0 ? "no producer" : `producer ${lane.pid}`, raw));
  if (raw.others) lanes.push(decode_lane({...raw.others, is_others: true}, "all others", raw));
  const segments = raw.segments.map((segment, index) => ({...segment, begin: +segment.base,
    end: +(raw.segments[index + 1]?.base ?? raw.offsets.log_end),
    total: segment.total ? decode([segment.total], zero)[0] : null}));
  const transactions = raw.transactions.map((one) => decode_transaction(one, raw));
  const lane_of = new Map(lanes.map((lane) => [lane.is_others ? "others" : lane.pid, lane]));
  for (const one of transactions) {
    (lane_of.get(one.pid) ?? lane_of.get("others"))?.transactions.push(one);
  }
  return {...raw, lanes, segments, transactions, cells: decode(raw.cells, zero),
    total: raw.total ? decode([raw.total], zero)[0] : null};
}

// --- facts of a place on the map ---

function fill_facts(box, blocks) {
  box.replaceChildren();
  for (const {title, rows} of blocks) {
    const list = make("dl", {});
    for (const [name, value] of rows) {
      list.append(make("dt", {}, name), make("dd", {}, String(value)));
    }
    box.append(make("h3", {}, title), list);
  }
}

function cell_kinds(cell) {
  const plain = cell.batches - cell.transactional - cell.commits - cell.aborts;
  const kinds = [[cell.transactional, "transactional"], [cell.commits, "commit marker"],
    [cell.aborts, "abort marker"], [plain, "not transactional"]];
  const present = kinds.filter(([count]) => count > 0);
  if (present.length === 1 && cell.batches === 1) return present[0][1];
  return present.map(([count, kind]) => `${count} ${kind}`).join(", ");
}

/// Whose batches a cell has; of all batches' row only where one producer has them all.
function producer_of(row, cell) {
  if (row.lane) return row.label;
  const lanes = chart.partition.lanes.filter((lane) => lane.cells.some(
    (own) => own.begin === cell.begin && own.batches === cell.batches));
  return lanes.length === 1 && !lanes[0].is_others ? lanes[0].label : null;
}

function cell_facts(row, cell) {
  const is_one = cell.batches === 1;
  const rows = [["offsets", range_text(cell.begin, cell.end)]];
  const producer = producer_of(row, cell);
  if (producer) rows.push(["written by", producer]);
  if (producer && cell.epoch >= 0 && producer !== "no producer" && !row.lane?.is_others) {
    rows.push([is_one ? "producer epoch" : "last producer epoch", cell.epoch]);
  }
  rows.push(["kind", cell_kinds(cell)], ["records", cell.records],
    ["size", bytes_text(cell.bytes)],
    [is_one ? "file" : "begins in", file_name(cell.segment)], ["position", cell.position],
    ["times", cell.from === cell.to ? time_text(cell.from)
      : `${time_text(cell.from)} to ${time_text(cell.to)}`]);
  return {title: is_one ? "Batch" : count_text(cell.batches, "batch", "batches"), rows};
}

function segment_facts(segment) {
  const {total} = segment;
  const rows = [["file", file_name(segment.base)]];
  if (segment.count > 1) rows[0][0] = "first file";
  if (total) {
    rows.push(["offsets", range_text(total.begin, total.end)], ["batches", total.batches],
      ["records", total.records], ["size", bytes_text(total.bytes)],
      ["times", `${time_text(total.from)} to ${time_text(total.to)}`]);
  } else {
    rows.push(["batches", "none"]);
  }
  if (segment.damaged_bytes) rows.push(["damaged", bytes_text(segment.damaged_bytes)]);
  return {title: count_text(segment.count, "segment"), rows};
}

function transaction_facts(one) {
  const rows = [["producer", `${one.pid}, epoch ${one.epoch}`],
    ["data", `${range_text(one.first, +one.last + 1)}, ${count_text(one.records, "record")}`]];
  if (one.marker !== null) rows.push(["marker", one.marker]);
  rows.push(["began", time_text(one.from)]);
  if (one.age) rows.push([one.state === "open" ? "open for" : "took", one.age]);
  const state = one.is_hanging ? "hanging" : one.state;
  return {title: `Transaction, ${state}${one.is_unreplicated ? ", not replicated" : ""}`, rows};
}

function damage_facts(damage) {
  const file = damage.file.split("/").pop();
  return {title: "Damage", rows: [["file", file], ["position", damage.position],
    ["size", bytes_text(damage.bytes)], ["offsets", damage_range(damage)],
    ["what", damage.what]]};
}

function damage_range(damage) {
  return +damage.end > +damage.begin ? range_text(+damage.begin, +damage.end)
    : `none is missing before ${damage.end}`;
}

function facts_of({row, item, transactions, damages}) {
  const blocks = damages.slice(0, 2).map(damage_facts);
  blocks.push(...transactions.map(transaction_facts));
  if (item) blocks.push(row.kind === "segments" ? segment_facts(item) : cell_facts(row, item));
  return blocks;
}

// --- around the map ---

function verdict_of(partition) {
  const {offsets} = partition;
  const held = +offsets.log_end - +offsets.last_stable_offset;
  const notes = [];
  if (held > 0) {
    const holder = partition.transactions.find((one) => one.state === "open");
    const is_hanging = partition.bound === "open_transaction" && holder?.is_hanging;
    const cause = is_hanging ? " by a hanging transaction" : "";
    const note = make("div", {className: "is-held"}, make("strong", {},
      `read_committed readers are held back${cause}: they see nothing from offset ` +
      `${offsets.last_stable_offset} on, ${count_text(held, "offset")} before the log end`),
    partition.why);
    if (partition.remedy) note.append(make("code", {}, partition.remedy));
    notes.push(note);
  } else {
    notes.push(make("div", {className: "is-sound"},
      make("strong", {}, "Nothing holds readers back"), partition.why));
  }
  const damage_count = partition.damage_count + partition.problems.length;
  if (damage_count > 0) {
    notes.unshift(make("div", {className: "is-damaged"}, make("strong", {},
      `Damage in ${count_text(damage_count, "place")}`), partition.damage_count > 0
      ? `${bytes_text(partition.damaged_bytes)} are no batches; a marker may have been there, so ` +
        "that a transaction that seems open may be complete." : "In files beside the batches."));
  }
  return notes;
}

function tiles_of(partition) {
  const {offsets, total} = partition;
  const tiles = END_NAMES.map(([key, name]) => [name, offsets[key]]);
  if (!offsets.high_watermark_known) tiles[2].push("no checkpoint has it");
  tiles.push(["open transactions", partition.open_count],
    ["committed", partition.committed_count], ["aborted", partition.aborted_count],
    ["producers", partition.producer_count], ["segments", partition.segment_count],
    ["batches", total?.batches ?? 0], ["records", total?.records ?? 0],
    ["size", bytes_text(total?.bytes ?? 0)], ["newest record", time_text(total?.to ?? -1)]);
  return tiles.map(([name, value, note]) => make("div", {}, make("dt", {}, name),
    make("dd", {}, String(value), ...(note ? [make("small", {}, ` ${note}`)] : []))));
}

/// Shows a section with its table, or neither if there is nothing in it.
function fill_table(id, section, headings, rows, left_out) {
  by_id(section).hidden = rows.length === 0;
  const table = by_id(id);
  const is_number = (value) => typeof value === "number" || /^-?\d+$/.test(value);
  table.replaceChildren(make("tr", {}, ...headings.map((text, column) => make("th",
    {className: rows.length && is_number(rows[0].cells[column]) ? "number" : ""}, text))));
  for (const {cells, kind} of rows) {
    table.append(make("tr", {className: kind ?? ""}, ...cells.map((value) => make("td",
      {className: is_number(value) ? "number" : ""}, String(value)))));
  }
  if (left_out > 0) {
    table.append(make("tr", {}, make("td", {colSpan: headings.length}, `and ${left_out} more`)));
  }
}

function fill_tables(partition) {
  const open = partition.transactions.filter((one) => one.state === "open");
  fill_table("open", "open-section", ["state", "producer", "epoch", "coordinator epoch",
    "first offset", "last offset", "records", "open for", "since"], open.map((one) => ({
    kind: one.is_hanging ? "hanging" : "",
    cells: [one.is_hanging ? "hanging" : "open", one.pid, one.epoch, one.coordinator, one.first,
      one.last, one.records, one.age || "-", time_text(one.from)]})),
  partition.open_count - open.length);
  fill_table("damages", "damage-section", ["file", "position", "bytes", "offsets", "what"],
    partition.damages.map((one) => ({cells: [one.file, one.position, one.bytes,
      damage_range(one), one.what]})), partition.damage_count - partition.damages.length);
  fill_table("problems", "problem-section", ["file", "position", "what"],
    partition.problems.map((one) => ({cells: [one.file, one.position, one.what]})), 0);
}

// --- the page ---

const report = JSON.parse(by_id("data").textContent);
const chart = new Chart(facts_of);

function held_of(raw) {
  return raw.error ? 0 : +raw.offsets.log_end - +raw.offsets.last_stable_offset;
}

function is_damaged(raw) {
  return !raw.error && raw.damage_count + raw.problems.length > 0;
}

function choice_text(raw) {
  const notes = [];
  if (raw.error) notes.push("cannot be read");
  if (is_damaged(raw)) notes.push("damage");
  if (held_of(raw) > 0) notes.push(`${count_text(held_of(raw), "offset")} held back`);
  return notes.length ? `${raw.name}: ${notes.join(", ")}` : raw.name;
}

function show(raw) {
  document.title = `${raw.name} - oncelog report`;
  by_id("name").textContent = raw.name;
  by_id("picture").hidden = Boolean(raw.error);
  if (raw.error) {
    by_id("verdict").replaceChildren(make("div", {className: "is-damaged"},
      make("strong", {}, "This partition cannot be read"), raw.error));
    by_id("tiles").replaceChildren();
    for (const id of ["open", "damage", "problem"]) by_id(`${id}-section`).hidden = true;
    return;
  }
  const partition = decode_partition(raw);
  by_id("verdict").replaceChildren(...verdict_of(partition));
  by_id("tiles").replaceChildren(...tiles_of(partition));
  by_id("map").setAttribute("aria-label", `${partition.name}: ${partition.why}`);
  by_id("zoom-held").disabled = held_of(raw) <= 0;
  fill_tables(partition);
  chart.show(partition);
}

function zoom_to_held() {
  const {offsets} = chart.partition;
  const held = +offsets.log_end - +offsets.last_stable_offset;
  chart.zoom_to({begin: +offsets.last_stable_offset - held * 0.05,
    end: +offsets.log_end + held * 0.05});
}

function start() {
  by_id("made").textContent = `${report.path}, as it was at ${time_text(report.made)}; ` +
    `oncelog ${report.version}`;
  const choices = by_id("partition");
  report.partitions.forEach((raw, index) => {
    choices.append(make("option", {value: index}, choice_text(raw)));
  });
  by_id("chooser").hidden = report.partitions.length < 2;
  // The one that was linked to, else the one that somebody most likely came for.
  const wanted = location.hash.slice(1);
  const urgency = (raw) => (is_damaged(raw) ? 1e18 : 0) + held_of(raw);
  const urgent = report.partitions.reduce((a, b) => (urgency(b) > urgency(a) ? b : a));
  const first = report.partitions.find((raw) => encodeURIComponent(raw.name) === wanted) ?? urgent;
  choices.value = report.partitions.indexOf(first);
  choices.addEventListener("change", () => show(report.partitions[choices.value]));
  const buttons = {"zoom-in": () => chart.zoom(0.5), "zoom-out": () => chart.zoom(2),
    "go-left": () => chart.pan(-0.4), "go-right": () => chart.pan(0.4),
    "zoom-held": zoom_to_held, "zoom-all": () => chart.zoom_to(chart.whole)};
  for (const [id, press] of Object.entries(buttons)) by_id(id).addEventListener("click", press);
  show(first);
}

start();
