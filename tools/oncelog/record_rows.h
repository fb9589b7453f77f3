// record_rows.h: records with the place where they lie, as table or as JSON lines.
#pragma once

#include "render.h"
#include "table.h"

namespace oncelog::cli {

class RecordRows {
 public:
  RecordRows(Output& output, bool is_json);

  /// False once nothing can be written any more.
  bool show(const LocatedRecord& found);
  /// Writes the rows that wait for their widths.
  void finish() { table_.finish(); }

 private:
  Output& output_;
  const bool is_json_;
  Table table_;
};

}  // namespace oncelog::cli
