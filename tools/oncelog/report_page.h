// report_page.h: the page that `oncelog report` writes: its parts, and how they and the data become
// one file that needs nothing else.
#pragma once

#include <string>
#include <string_view>

#include "render.h"

namespace oncelog::cli {

// The files beside this one, as CMake embeds them.
extern const std::string_view kReportPageHtml;
extern const std::string_view kReportPageCss;
extern const std::string_view kReportPageJs;
extern const std::string_view kReportChartJs;

/// The whole page. What comes from files (names, texts of damage) is in the data only, where no
/// byte of it can end the element that holds it.
[[nodiscard]] std::string make_page(const Json& data);

}  // namespace oncelog::cli
