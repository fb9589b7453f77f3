#include "report_page.h"

#include <array>
#include <utility>

namespace oncelog::cli {

namespace {

/// JSON in which no `<` is left: neither `</script>` nor `<!--` can be in it. Outside of strings
/// JSON has none.
std::string script_text(const Json& data) {
  std::string text;
  for (const char letter : json_line(data)) {
    if (letter == '<') {
      text += "\\u003c";
    } else {
      text += letter;
    }
  }
  return text;
}

}  // namespace

std::string make_page(const Json& data) {
  const std::string data_text = script_text(data);
  const std::array<std::pair<std::string_view, std::string_view>, 4> parts{{
      {"/*report_page.css*/", kReportPageCss},
      {"/*data*/", data_text},
      {"/*report_chart.js*/", kReportChartJs},
      {"/*report_page.js*/", kReportPageJs},
  }};
  // The parts stand in the template in this order; none is searched for in another one's text.
  std::string page;
  std::string_view rest = kReportPageHtml;
  for (const auto& [place, text] : parts) {
    const std::size_t at = rest.find(place);
    page += rest.substr(0, at);
    page += text;
    rest.remove_prefix(at + place.size());
  }
  return page += rest;
}

}  // namespace oncelog::cli
