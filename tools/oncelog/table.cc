#include "table.h"

#include <algorithm>
#include <utility>

namespace oncelog::cli {

namespace {

constexpr std::size_t kBlockRows = 1024;

std::vector<Column> with_partition(std::vector<Column> columns) {
  columns.insert(columns.begin(), {"partition", Align::kLeft});
  return columns;
}

/// Columns on the screen: the later bytes of a UTF-8 character take none.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
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
  if (!std::exchange(has_heading_, true)) {
    std::vector<std::string> headings;
    headings.reserve(columns_.size());
    for (const Column& column : columns_) headings.push_back(column.heading);
    write_row(headings);
  }
  for (const auto& row : rows_) write_row(row);
  rows_.clear();
}

void Table::write_row(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string blanks(widths_[i] - std::min(widths_[i], width_of(cells[i])), ' ');
    if (i > 0) line += "  ";
    line += columns_[i].align == Align::kRight ? blanks + cells[i] : cells[i] + blanks;
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
