#include "table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "terminal.h"

namespace oncelog::cli {

namespace {

constexpr std::size_t kBlockRows = 1024;
constexpr std::size_t kCellColumnsMin = 8;  // what is left of a cut cell
constexpr std::size_t kGapColumns = 2;
constexpr std::string_view kCutMark = "\u2026";

std::vector<Column> with_partition(std::vector<Column> columns) {
  columns.insert(columns.begin(), {"partition", Align::kLeft});
  return columns;
}

/// Columns on the screen: the later bytes of a UTF-8 character take none.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// The first `columns` of a text, the last of them showing that there was more.
std::string cut(const std::string& text, std::size_t columns) {
  if (width_of(text) <= columns) return text;
  std::size_t end = 0;
  for (std::size_t seen = 0; seen < columns; ++end) {
    const bool is_first_byte = (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
    if (is_first_byte && ++seen == columns) break;
  }
  return text.substr(0, end).append(kCutMark);
}

/// Widths that a terminal has room for, as far as text can be cut: numbers never are.
std::vector<std::size_t> fit(std::vector<std::size_t> widths, const std::vector<Column>& columns,
                             std::size_t room) {
  const std::size_t gaps = kGapColumns * (widths.size() - 1);
  auto total = std::accumulate(widths.begin(), widths.end(), gaps);
  while (total > room) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const bool may_shrink = columns[i].align == Align::kLeft && widths[i] > kCellColumnsMin;
      if (may_shrink && (widest == widths.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == widths.size()) break;
    --widths[widest];
    --total;
  }
  return widths;
}

}  // namespace

Table::Table(Output& output, std::vector<Column> columns)
    : output_(output), columns_(std::move(columns)) {
  for (const Column& column : columns_) widths_.push_back(width_of(column.heading));
}

bool Table::add(std::vector<std::string> cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    widths_[i] = std::max(widths_[i], width_of(cells[i]));
  }
  rows_.push_back(std::move(cells));
  if (rows_.size() >= kBlockRows) finish();
  return output_.is_open();
}

void Table::finish() {
  if (rows_.empty()) return;
  const auto room = output_columns();
  const auto widths = room ? fit(widths_, columns_, *room) : widths_;
  if (!std::exchange(has_heading_, true)) {
    std::vector<std::string> headings;
    headings.reserve(columns_.size());
    for (const Column& column : columns_) headings.push_back(column.heading);
    write_row(headings, widths);
  }
  for (const auto& row : rows_) write_row(row, widths);
  rows_.clear();
}

void Table::write_row(const std::vector<std::string>& cells,
                      const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string cell = cut(cells[i], widths[i]);
    const std::string blanks(widths[i] - width_of(cell), ' ');
    if (i > 0) line.append(kGapColumns, ' ');
    line += columns_[i].align == Align::kRight ? blanks + cell : cell + blanks;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  output_.write(line + '\n');
}

PartitionTable::PartitionTable(Output& output, std::vector<Column> columns, bool names_partitions)
    : names_partitions_(names_partitions),
      table_(output, names_partitions ? with_partition(std::move(columns)) : std::move(columns)) {}

bool PartitionTable::add(const std::string& partition, std::vector<std::string> cells) {
  if (names_partitions_) cells.insert(cells.begin(), partition);
  return table_.add(std::move(cells));
}

}  // namespace oncelog::cli
