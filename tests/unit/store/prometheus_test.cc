// The text exposition format 0.0.4, read by a parser of its own that takes nothing but that.
#include <gmock/gmock.h>

#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "oncelog/metrics.h"
#include "support/matchers.h"

namespace oncelog {
namespace {

using namespace std::chrono_literals;
using test::FailsWith;
using test::value_of;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

using Labels = std::map<std::string, std::string>;

struct Sample {
  std::string name{};
  Labels labels{};
  double value = 0;
};

struct Family {
  std::string name{};
  std::string help{};
  std::string type{};
  std::vector<Sample> samples{};
};

/// Throws what is wrong with the text.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::vector<Family> parse() {
    if (!text_.ends_with('\n')) refuse("the last line is not ended");
    while (!text_.empty()) {
      line_ = text_.substr(0, text_.find('\n'));
      text_.remove_prefix(line_.size() + 1);
      line_.starts_with('#') ? take_comment() : take_sample();
    }
    for (const Family& family : families_) check(family);
    return families_;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw std::runtime_error(why + ": " + std::string(line_));
  }
  static bool is_name(std::string_view name, bool may_have_colon) {
    if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
    return std::ranges::all_of(name, [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || (may_have_colon && c == ':');
    });
  }

  void take_comment() {
    const bool is_help = line_.starts_with("# HELP ");
    if (!is_help && !line_.starts_with("# TYPE ")) refuse("neither HELP nor TYPE");
    const std::string_view rest = line_.substr(7);
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) refuse("nothing behind the name");
    const std::string name(rest.substr(0, space));
    const std::string text(rest.substr(space + 1));
    if (!is_name(name, true)) refuse("no name of a metric");
    if (is_help) {
      if (!names_.insert(name).second) refuse("a family comes twice");
      if (text.empty()) refuse("no help");
      families_.push_back({name, text, {}, {}});
      return;
    }
    if (families_.empty() || families_.back().name != name) refuse("TYPE without its HELP");
    Family& family = families_.back();
    if (!family.type.empty() || !family.samples.empty()) refuse("TYPE comes late");
    if (text != "counter" && text != "gauge" && text != "histogram") refuse("no type");
    family.type = text;
  }

  void take_sample() {
    Sample sample;
    std::string_view rest = line_;
    sample.name = rest.substr(0, rest.find_first_of("{ "));
    rest.remove_prefix(sample.name.size());
    if (!is_name(sample.name, true)) refuse("no name of a metric");
    if (rest.starts_with('{')) sample.labels = take_labels(rest);
    if (!rest.starts_with(' ')) refuse("no space before the value");
    sample.value = number(rest.substr(1));
    if (families_.empty()) refuse("a sample without a family");
    families_.back().samples.push_back(std::move(sample));
  }

  Labels take_labels(std::string_view& rest) const {
    Labels labels;
    do {
      rest.remove_prefix(1);  // '{' or ','
      const std::string name(rest.substr(0, rest.find('=')));
      if (!is_name(name, false)) refuse("no name of a label");
      rest.remove_prefix(name.size() + 1);
      if (!rest.starts_with('"')) refuse("no quote");
      rest.remove_prefix(1);
      std::string value;
      while (!rest.empty() && rest.front() != '"') {
        if (rest.front() == '\\') {
          rest.remove_prefix(1);
          if (rest.empty() ||
              std::string_view("\\\"n").find(rest.front()) == std::string_view::npos)
            refuse("no such escape");
          value += rest.front() == 'n' ? '\n' : rest.front();
        } else {
          value += rest.front();
        }
        rest.remove_prefix(1);
      }
      if (rest.empty()) refuse("a quote is not ended");
      rest.remove_prefix(1);
      if (!labels.emplace(name, value).second) refuse("a label comes twice");
    } while (rest.starts_with(','));
    if (!rest.starts_with('}')) refuse("the labels are not ended");
    rest.remove_prefix(1);
    return labels;
  }

  [[nodiscard]] double number(std::string_view text) const {
    if (text == "+Inf") return INFINITY;
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) refuse("no number");
    return value;
  }

  void check(const Family& family) const {
    std::set<std::pair<std::string, Labels>> seen;
    for (const Sample& sample : family.samples) {
      if (!seen.emplace(sample.name, sample.labels).second) refuse("a sample comes twice");
      const std::string suffix =
          sample.name.substr(std::min(family.name.size(), sample.name.size()));
      const bool is_of_family = sample.name.starts_with(family.name);
      const bool fits = family.type == "histogram"
                            ? suffix == "_bucket" || suffix == "_sum" || suffix == "_count"
                            : suffix.empty();
      if (!is_of_family || !fits) refuse(sample.name + " in the family " + family.name);
    }
    if (family.type.empty()) refuse(family.name + " has no type");
    if ((family.type == "counter") != family.name.ends_with("_total")) {
      refuse(family.name + " is named as what it is not");
    }
    if (family.type == "histogram") check_buckets(family);
  }

  /// For each set of labels: cumulative, in ascending order, with +Inf last, which is the count.
  void check_buckets(const Family& family) const {
    struct Seen {
      double bound = -INFINITY;
      double cumulative = 0;
      bool has_sum = false;
      bool has_count = false;
    };
    std::map<Labels, Seen> seen;
    for (const Sample& sample : family.samples) {
      Labels labels = sample.labels;
      labels.erase("le");
      Seen& before = seen[labels];
      if (sample.name.ends_with("_sum")) {
        before.has_sum = true;
      } else if (sample.name.ends_with("_count")) {
        before.has_count = true;
        if (sample.value != before.cumulative) refuse(family.name + ": count and +Inf differ");
      } else {
        const double bound = number(sample.labels.at("le"));
        if (bound <= before.bound) refuse(family.name + ": bounds go back");
        if (sample.value < before.cumulative) refuse(family.name + ": is not cumulative");
        before.bound = bound;
        before.cumulative = sample.value;
      }
    }
    for (const auto& [labels, one] : seen) {
      if (one.bound != INFINITY || !one.has_sum || !one.has_count) {
        refuse(family.name + ": is not whole");
      }
    }
  }

  std::string_view text_;
  std::string_view line_;
  std::set<std::string> names_;
  std::vector<Family> families_;
};

class PrometheusTest : public testing::Test {
 protected:
  PrometheusTest() {
    PartitionMetrics one;
    one.name = {"orders", 3};
    one.counters.appended_batches = 5;
    one.counters.append_errors[ErrorCode::INVALID_TXN_STATE] = 2;
    one.counters.sync_time.counts[0] = 1;
    one.counters.sync_time.counts[10] = 2;
    one.counters.sync_time.counts[DurationHistogram::kBucketCount - 1] = 1;
    one.counters.sync_time.sum = 1500ms;
    one.counters.recovery_time = 2500ms;
    one.ends = {Offset(1), Offset(4), Offset(9), Offset(10), Offset(9)};
    one.oldest_transaction_age = 1500ms;
    metrics_.partitions = {one, one};
    metrics_.partitions[1].name = {"orders", 4};
    metrics_.totals = one.counters;
    metrics_.totals += one.counters;
  }

  [[nodiscard]] std::vector<Family> families(const PrometheusOptions& options = {}) const {
    return Parser(value_of(to_prometheus(metrics_, options))).parse();
  }
  /// The value of one sample.
  [[nodiscard]] double value(const std::string& name, const Labels& labels,
                             const PrometheusOptions& options = {}) const {
    for (const Family& family : families(options)) {
      for (const Sample& sample : family.samples) {
        if (sample.name == name && sample.labels == labels) return sample.value;
      }
    }
    throw std::runtime_error("no sample " + name);
  }
  const Labels three_{{"topic", "orders"}, {"partition", "3"}};
  StoreMetrics metrics_;
};

TEST_F(PrometheusTest, EveryLineIsOfTheFormat) {
  EXPECT_GT(families().size(), 40U);
  metrics_ = {};
  EXPECT_GT(families().size(), 40U);  // of a store without a partition, too
}

TEST_F(PrometheusTest, PartitionsAndTheStoreAreFamiliesOfTheirOwn) {
  EXPECT_EQ(value("oncelog_partition_appended_batches_total", three_), 5);
  EXPECT_EQ(value("oncelog_store_appended_batches_total", {}), 10);
  EXPECT_EQ(value("oncelog_store_open_partitions", {}), 2);
  EXPECT_EQ(value("oncelog_partition_last_stable_offset_lag", three_), 5);
}

TEST_F(PrometheusTest, ErrorsHaveKafkasNames) {
  Labels labels = three_;
  labels["error"] = "INVALID_TXN_STATE";
  EXPECT_EQ(value("oncelog_partition_append_errors_total", labels), 2);
}

TEST_F(PrometheusTest, TimesAreSeconds) {
  EXPECT_EQ(value("oncelog_partition_recovery_seconds_total", three_), 2.5);
  EXPECT_EQ(value("oncelog_partition_oldest_transaction_age_seconds", three_), 1.5);
  EXPECT_EQ(value("oncelog_partition_sync_duration_seconds_sum", three_), 1.5);
}

TEST_F(PrometheusTest, BucketsAreCumulativeAndEndWithTheCount) {
  const auto bucket = [&](const std::string& bound) {
    Labels labels = three_;
    labels["le"] = bound;
    return value("oncelog_partition_sync_duration_seconds_bucket", labels);
  };
  EXPECT_EQ(bucket("1e-06"), 1);
  EXPECT_EQ(bucket("0.000512"), 1);
  EXPECT_EQ(bucket("0.001024"), 3);
  EXPECT_EQ(bucket("33.554432"), 3);
  EXPECT_EQ(bucket("+Inf"), 4);
  EXPECT_EQ(value("oncelog_partition_sync_duration_seconds_count", three_), 4);
}

TEST_F(PrometheusTest, LabelsOfTheCallerAreOnEverySampleAndEscaped) {
  const PrometheusOptions options{.labels = {{"store", "a\\b\"c\nd"}}};
  for (const Family& family : families(options)) {
    for (const Sample& sample : family.samples) {
      EXPECT_THAT(sample.labels, Contains(testing::Pair("store", "a\\b\"c\nd"))) << sample.name;
    }
  }
  EXPECT_THAT(value_of(to_prometheus(metrics_, options)), HasSubstr(R"(store="a\\b\"c\nd")"));
}

TEST_F(PrometheusTest, ALabelThatIsNoneOrTakenIsRefused) {
  for (const std::string name :
       {"", "1a", "a-b", "a:b", "__a", "topic", "partition", "le", "error"}) {
    EXPECT_THAT(to_prometheus(metrics_, {.labels = {{name, "x"}}}),
                FailsWith(ErrorCode::INVALID_CONFIG))
        << name;
  }
  EXPECT_THAT(to_prometheus(metrics_, {.labels = {{"a", "x"}, {"a", "y"}}}),
              FailsWith(ErrorCode::INVALID_CONFIG));
}

TEST_F(PrometheusTest, PartitionsCanBeLeftOut) {
  const std::string text = value_of(to_prometheus(metrics_, {.has_partitions = false}));
  EXPECT_THAT(text, Not(HasSubstr("oncelog_partition_")));
  EXPECT_THAT(text, HasSubstr("oncelog_store_appended_batches_total 10\n"));
}

TEST(PrometheusParser, RefusesWhatIsNotOfTheFormat) {
  for (const std::string text :
       {"a 1\n", "# HELP a x\n# TYPE a counter\na 1\n", "# HELP a x\n# TYPE a gauge\na 1",
        "# HELP a x\n# TYPE a gauge\na one\n", "# HELP a x\n# TYPE a gauge\na{b=\"c} 1\n",
        "# HELP a x\n# TYPE a gauge\na 1\na 2\n", "# HELP a x\n# TYPE a gauge\nb 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_sum 1\na_count 2\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\n"
        "a_count 1\n"}) {
    EXPECT_THROW(Parser(text).parse(), std::runtime_error) << text;
  }
}

}  // namespace
}  // namespace oncelog
