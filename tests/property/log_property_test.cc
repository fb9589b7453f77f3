// log_property_test.cc: random operations on a partition; every answer equals the oracle's
// (support/log_model.h).
//
// ONCELOG_PROPERTY_STEPS: about how many operations are run, 60,000 by default (a tenth
// under sanitizers).
// RC_PARAMS="seed=…" replays a run; each run prints its seed. ONCELOG_PROPERTY_TRACE=1 prints every
// operation before it is run, for failures that end the process.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "support/log_machine.h"

namespace oncelog::test {

// rapidcheck prints counterexamples with this.
void showValue(const Operation& operation, std::ostream& out) { out << operation.text(); }

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::int64_t kStepsByDefault = 6'000;
#else
constexpr std::int64_t kStepsByDefault = 60'000;
#endif
constexpr int kStepsPerCase = 120;  // the longest; half of it on average
constexpr int kCasesPerRound = 40;

rc::Gen<std::uint8_t> any_byte() {
  return rc::gen::resize(100, rc::gen::arbitrary<std::uint8_t>());
}

/// Most operations append; the rare ones come once or twice in a case.
rc::Gen<OperationKind> any_kind() {
  using Kind = OperationKind;
  return rc::gen::weightedElement<Kind>({{30, Kind::kAppend},
                                         {8, Kind::kRetry},
                                         {3, Kind::kAppendMalformed},
                                         {6, Kind::kAppendCoordinator},
                                         {14, Kind::kMarker},
                                         {8, Kind::kFollower},
                                         {3, Kind::kAssignEpoch},
                                         {10, Kind::kSetHighWatermark},
                                         {2, Kind::kRaiseLogStart},
                                         {3, Kind::kRoll},
                                         {3, Kind::kFlush},
                                         {1, Kind::kWaitDurable},
                                         {3, Kind::kAdvanceClock},
                                         {6, Kind::kRead},
                                         {2, Kind::kProbeWindows},
                                         {3, Kind::kReopen},
                                         {4, Kind::kCrash}});
}

rc::Gen<Operation> any_operation() {
  return rc::gen::build<Operation>(
      rc::gen::set(&Operation::kind, any_kind()),
      rc::gen::set(&Operation::choices,
                   rc::gen::container<std::array<std::uint8_t, 8>>(any_byte())));
}

std::int64_t wanted_steps() {
  const char* steps = std::getenv("ONCELOG_PROPERTY_STEPS");
  return steps == nullptr ? kStepsByDefault : std::atoll(steps);
}

TEST(LogProperty, AnswersAreTheOracles) {
  const bool is_traced = std::getenv("ONCELOG_PROPERTY_TRACE") != nullptr;
  std::int64_t steps = 0;
  std::map<std::string, std::int64_t> tally;
  const auto property = [&] {
    const auto configuration =
        *rc::gen::container<std::array<std::uint8_t, 12>>(any_byte()).as("configuration");
    const auto operations =
        *rc::gen::resize(kStepsPerCase, rc::gen::container<std::vector<Operation>>(any_operation()))
             .as("operations");
    LogMachine machine(configuration);
    if (is_traced) std::cerr << "--- a log of its own\n";
    for (const Operation& operation : operations) {
      if (is_traced) std::cerr << operation.text() << std::endl;
      ++steps;
      machine.run(operation);
    }
    for (const auto& [what, count] : machine.tally()) tally[what] += count;
  };
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = kCasesPerRound;
  params.maxSize = std::max(params.maxSize, 1);
  std::cout << "seed " << params.seed << '\n';
  while (steps < wanted_steps()) {
    rc::detail::TestMetadata metadata;
    metadata.id = "LogProperty";
    const auto result = rc::detail::checkTestable(property, metadata, params);
    if (!result.is<rc::detail::SuccessResult>()) {
      std::ostringstream text;
      rc::detail::printResultMessage(result, text);
      FAIL() << "RC_PARAMS=\"seed=" << params.seed << "\": " << text.str();
    }
    ++params.seed;
  }
  std::cout << steps << " steps\n";
  for (const auto& [what, count] : tally) std::cout << "  " << what << ": " << count << '\n';
}

}  // namespace

}  // namespace oncelog::test
