// fuzz_fault_plan.cc: faults of the simulated disk as a line of text. The rule: what is accepted is
// printed as a line that is read as the same faults.
//
// The input: the line.
#include "fuzz/target.h"
#include "sim/fault_plan.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  const auto faults = sim::parse_faults(as_text(fuzz::bytes_of(data, size)));
  if (!faults) return 0;
  const auto again = sim::parse_faults(sim::print_faults(*faults));
  ONCELOG_ASSERT(again.has_value());
  ONCELOG_ASSERT(*again == *faults);
  return 0;
}
