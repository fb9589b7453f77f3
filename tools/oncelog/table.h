// table.h: rows of text in columns as wide as their widest cell; at a terminal, cut to its width.
#pragma once

#include <string>
#include <vector>

#include "render.h"

namespace oncelog::cli {

enum class Align : std::uint8_t { kLeft, kRight };

struct Column {
  std::string heading{};
  Align align = Align::kRight;
};

/// Rows are kept until a block of them is full, then written with the widths seen so far: columns
/// may grow, and memory does not. Nothing is written for a table without a row.
class Table {
 public:
  Table(Output& output, std::vector<Column> columns);

  /// As many cells as columns. False once nothing can be written any more.
  bool add(std::vector<std::string> cells);
  /// To be called behind the last row.
  void finish();

 private:
  void write_row(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths);

  Output& output_;
  std::vector<Column> columns_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
  bool has_heading_ = false;
};

/// A table of rows that belong to partitions. Only where they may be several, a first column names
/// them.
class PartitionTable {
 public:
  PartitionTable(Output& output, std::vector<Column> columns, bool names_partitions);

  /// As many cells as columns were given. False once nothing can be written any more.
  bool add(const std::string& partition, std::vector<std::string> cells);
  /// To be called behind the last row.
  void finish() { table_.finish(); }

 private:
  const bool names_partitions_;
  Table table_;
};

}  // namespace oncelog::cli
