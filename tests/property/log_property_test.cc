// log_property_test.cc: random operations on a partition; every answer equals the oracle's
// (support/log_model.h), and where nothing was deleted or has expired, it does not matter whether
// and how the producer state is kept.
//
// ONCELOG_PROPERTY_STEPS: about how many operations are run, 20,000 by default (a tenth
// under sanitizers); of the second property a tenth of it.
// RC_PARAMS="seed=…" replays a run; each run prints its seed. ONCELOG_PROPERTY_TRACE=1 prints every
// operation before it is run, for failures that end the process.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/log_machine.h"

namespace oncelog::test {

// rapidcheck prints counterexamples with this.
void showValue(const Operation& operation, std::ostream& out) { out << operation.text(); }

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::int64_t kStepsByDefault = 2'000;
#else
constexpr std::int64_t kStepsByDefault = 20'000;
#endif
constexpr int kStepsPerCase = 120;  // the longest; half of it on average
constexpr int kCasesPerRound = 40;

rc::Gen<std::uint8_t> any_byte() {
  return rc::gen::resize(100, rc::gen::arbitrary<std::uint8_t>());
}

using Kind = OperationKind;
using Weights = std::vector<std::pair<std::size_t, Kind>>;

/// Most operations append; the rare ones come once or twice in a case.
const Weights kWhatDeletesNothing = {{30, Kind::kAppend},         {8, Kind::kRetry},
                                     {3, Kind::kAppendMalformed}, {6, Kind::kAppendCoordinator},
                                     {14, Kind::kMarker},         {8, Kind::kFollower},
                                     {3, Kind::kAssignEpoch},     {10, Kind::kSetHighWatermark},
                                     {2, Kind::kRaiseLogStart},   {3, Kind::kRoll},
                                     {3, Kind::kFlush},           {1, Kind::kWaitDurable},
                                     {3, Kind::kAdvanceClock},    {6, Kind::kRead},
                                     {2, Kind::kProbeWindows},    {3, Kind::kReopen},
                                     {4, Kind::kCrash},           {4, Kind::kTruncate},
                                     {1, Kind::kTruncateFully},   {3, Kind::kDeleteRecords},
                                     {3, Kind::kCheckpoint}};
const Weights kWhatDeletes = {{4, Kind::kApplyRetention}, {4, Kind::kExpireProducers}};

Weights both(Weights some, const Weights& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

rc::Gen<Kind> any_of(const Weights& weights) {
  std::vector<Kind> kinds;  // each as often as its weight says
  for (const auto& [weight, kind] : weights) kinds.insert(kinds.end(), weight, kind);
  return rc::gen::elementOf(kinds);
}

rc::Gen<Operation> any_operation(const Weights& weights) {
  return rc::gen::build<Operation>(
      rc::gen::set(&Operation::kind, any_of(weights)),
      rc::gen::set(&Operation::choices,
                   rc::gen::container<std::array<std::uint8_t, 10>>(any_byte())));
}

ConfigurationChoices any_configuration() {
  return *rc::gen::container<ConfigurationChoices>(any_byte()).as("configuration");
}

std::vector<Operation> any_operations(const Weights& weights) {
  const auto operations = rc::gen::container<std::vector<Operation>>(any_operation(weights));
  return *rc::gen::resize(kStepsPerCase, operations).as("operations");
}

std::int64_t wanted_steps() {
  const char* steps = std::getenv("ONCELOG_PROPERTY_STEPS");
  return steps == nullptr ? kStepsByDefault : std::atoll(steps);
}

/// What the cases of a property have done together.
struct Progress {
  std::int64_t steps = 0;
  std::map<std::string, std::int64_t> tally{};

  void step(LogMachine& machine, const Operation& operation) {
    static const bool is_traced = std::getenv("ONCELOG_PROPERTY_TRACE") != nullptr;
    if (is_traced) std::cerr << operation.text() << std::endl;
    ++steps;
    machine.run(operation);
  }
  void add(const LogMachine& machine) {
    for (const auto& [what, count] : machine.tally()) tally[what] += count;
  }
};

/// Cases until so many steps are done; the property counts them.
template <class Property>
void check_property(std::int64_t steps, const std::string& name, const Property& property) {
  Progress progress;
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = kCasesPerRound;
  params.maxSize = std::max(params.maxSize, 1);
  std::cout << "seed " << params.seed << '\n';
  while (progress.steps < steps) {
    rc::detail::TestMetadata metadata;
    metadata.id = name;
    const auto result = rc::detail::checkTestable([&] { property(progress); }, metadata, params);
    if (!result.template is<rc::detail::SuccessResult>()) {
      std::ostringstream text;
      rc::detail::printResultMessage(result, text);
      FAIL() << "RC_PARAMS=\"seed=" << params.seed << "\": " << text.str();
    }
    ++params.seed;
  }
  std::cout << progress.steps << " steps\n";
  for (const auto& [what, count] : progress.tally)
    std::cout << "  " << what << ": " << count << '\n';
}

TEST(LogProperty, AnswersAreTheOracles) {
  const Weights weights = both(kWhatDeletesNothing, kWhatDeletes);
  check_property(wanted_steps(), "AnswersAreTheOracles", [&](Progress& progress) {
    const auto configuration = any_configuration();
    const auto operations = any_operations(weights);
    LogMachine machine(configuration);
    for (const Operation& operation : operations) progress.step(machine, operation);
    progress.add(machine);
  });
}

/// With the state kept, with none, and with the state lost before every open.
TEST(LogProperty, WithoutDeletionAndExpiryTheStateIsOnlyAShortcut) {
  check_property(wanted_steps() / 10, "TheStateIsOnlyAShortcut", [&](Progress& progress) {
    ConfigurationChoices configuration = any_configuration();
    // The watermark is the end: what a crash leaves of another depends on when it was written.
    configuration[0] = static_cast<std::uint8_t>(configuration[0] % 85 * 3 + 1);
    const auto operations = any_operations(kWhatDeletesNothing);
    LogMachine kept(configuration, StateMode::kKept);
    LogMachine none(configuration, StateMode::kNone);
    LogMachine deleted(configuration, StateMode::kDeleted);
    for (const Operation& operation : operations) {
      for (LogMachine* machine : {&kept, &none, &deleted}) progress.step(*machine, operation);
      require(none.answers() == kept.answers(),
              "without a state\n" + none.answers() + "\nwith one\n" + kept.answers());
      require(deleted.answers() == kept.answers(),
              "with the state deleted\n" + deleted.answers() + "\nwith it\n" + kept.answers());
    }
    for (const LogMachine* machine : {&kept, &none, &deleted}) progress.add(*machine);
  });
}

}  // namespace

}  // namespace oncelog::test
