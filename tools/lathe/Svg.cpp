//===- Svg.cpp - Writes pictures as SVG -------------------------------------===//

#include "tools/lathe/Svg.h"

#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

/// Bytes of the UTF-8 character at the start of `Text`, 0 when there is none.
static size_t characterBytes(std::string_view Text) {
  unsigned char First = static_cast<unsigned char>(Text.front());
  size_t Length = First < 0x80                    ? 1
                  : First >= 0xC2 && First < 0xE0 ? 2
                  : First >= 0xE0 && First < 0xF0 ? 3
                  : First >= 0xF0 && First < 0xF5 ? 4
                                                  : 0;
  if (Length == 0 || Length > Text.size())
    return 0;
  for (size_t I = 1; I < Length; ++I)
    if ((static_cast<unsigned char>(Text[I]) & 0xC0) != 0x80)
      return 0;
  unsigned char Second = Length > 1 ? static_cast<unsigned char>(Text[1]) : 0;
  // Longer than need be, surrogates, and beyond the last character.
  if ((First == 0xE0 && Second < 0xA0) || (First == 0xED && Second >= 0xA0) ||
      (First == 0xF0 && Second < 0x90) || (First == 0xF4 && Second >= 0x90))
    return 0;
  return Length;
}

std::string cli::escapeMarkup(std::string_view Text) {
  constexpr std::string_view Replacement = "\xEF\xBF\xBD";
  std::string Out;
  while (!Text.empty()) {
    size_t Length = characterBytes(Text);
    char C = Text.front();
    if (Length == 0 || (static_cast<unsigned char>(C) < 0x20 && C != '\n' && C != '\t') ||
        C == 0x7F)
      Out += Replacement;
    else if (C == '<')
      Out += "&lt;";
    else if (C == '>')
      Out += "&gt;";
    else if (C == '&')
      Out += "&amp;";
    else if (C == '"')
      Out += "&quot;";
    else if (C == '\'')
      Out += "&#39;";
    else
      Out += Text.substr(0, Length);
    Text.remove_prefix(std::max<size_t>(1, Length));
  }
  return Out;
}

static std::string number(double Value) { return formatFixed(Value, 1); }

std::string SvgPicture::attributes(std::string_view Class) const {
  return " class=\"" + escapeMarkup(Class) + "\"";
}

static std::string closed(std::string_view Name, std::string_view Title) {
  if (Title.empty())
    return "/>\n";
  return "><title>" + escapeMarkup(Title) + "</title></" + std::string(Name) + ">\n";
}

void SvgPicture::rect(double X, double Y, double W, double H, std::string_view Class,
                      std::string_view Title, double Radius) {
  Body += "<rect x=\"" + number(X) + "\" y=\"" + number(Y) + "\" width=\"" + number(W) +
          "\" height=\"" + number(H) + "\" rx=\"" + number(Radius) + "\"" + attributes(Class) +
          closed("rect", Title);
}

void SvgPicture::line(double X1, double Y1, double X2, double Y2, std::string_view Class) {
  Body += "<line x1=\"" + number(X1) + "\" y1=\"" + number(Y1) + "\" x2=\"" + number(X2) +
          "\" y2=\"" + number(Y2) + "\"" + attributes(Class) + "/>\n";
}

void SvgPicture::drop(double X1, double Y1, double X2, double Y2, std::string_view Class) {
  double Middle = (Y1 + Y2) / 2;
  Body += "<path d=\"M" + number(X1) + " " + number(Y1) + "C" + number(X1) + " " + number(Middle) +
          " " + number(X2) + " " + number(Middle) + " " + number(X2) + " " + number(Y2) + "\"" +
          attributes(Class) + "/>\n";
}

void SvgPicture::circle(double X, double Y, double Radius, std::string_view Class,
                        std::string_view Title) {
  Body += "<circle cx=\"" + number(X) + "\" cy=\"" + number(Y) + "\" r=\"" + number(Radius) + "\"" +
          attributes(Class) + closed("circle", Title);
}

void SvgPicture::text(double X, double Y, std::string_view Words, std::string_view Class,
                      std::string_view Anchor) {
  Body += "<text x=\"" + number(X) + "\" y=\"" + number(Y) + "\" text-anchor=\"" +
          std::string(Anchor) + "\"" + attributes(Class) + ">" + escapeMarkup(Words) + "</text>\n";
}

std::string SvgPicture::take(std::string_view Style) const {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(Width) + " " +
         number(Height) + "\" width=\"" + number(Width) + "\" height=\"" + number(Height) +
         "\" role=\"img\">\n" +
         (Style.empty() ? "" : "<style>" + std::string(Style) + "</style>\n") + Body + "</svg>\n";
}

std::string_view cli::pictureStyle() {
  return R"(
:root{--back:#fff;--ink:#1d2430;--soft:#667085;--line:#d5dae3;--panel:#f6f7f9;
--c0:#3465a4;--c1:#c4622d;--c2:#3f8f5f;--c3:#8658a5;--c4:#b0892f;--c5:#b03a5b;--good:#3f8f5f;--warn:#c4622d}
@media(prefers-color-scheme:dark){:root{--back:#14171c;--ink:#e4e7ec;--soft:#98a2b3;--line:#343a46;
--panel:#1c2027;--c0:#7aa6e0;--c1:#e58f5c;--c2:#6fbf8d;--c3:#b48ad0;--c4:#d6b35f;--c5:#e07b98;
--good:#6fbf8d;--warn:#e58f5c}}
svg{background:var(--back);font-family:system-ui,sans-serif}
svg text{fill:var(--ink);font-size:12px}
svg .soft{fill:var(--soft);font-size:11px}
svg .small{font-size:10.5px}
svg .head{font-size:14px;font-weight:600}
svg .axis{stroke:var(--soft);stroke-width:1}
svg .grid{stroke:var(--line);stroke-width:1}
svg .roof{stroke:var(--ink);stroke-width:1.6}
svg .edge{fill:none;stroke:var(--soft);stroke-width:1.1;opacity:.75}
svg .flow{fill:none;stroke:var(--c0);stroke-width:1.5;opacity:.55}
svg .frame{fill:none;stroke:var(--line);stroke-width:1.5;stroke-dasharray:6 4}
svg .group{fill:var(--panel);stroke:var(--line)}
svg .op{fill:var(--back);stroke:var(--soft)}
svg .heart{fill:var(--c0);stroke:none}
svg .heart-ink{fill:#fff}
svg .bound{stroke:var(--c5);stroke-width:1.5;stroke-dasharray:5 4}
svg .k0{fill:var(--c0)}svg .k1{fill:var(--c1)}svg .k2{fill:var(--c2)}
svg .k3{fill:var(--c3)}svg .k4{fill:var(--c4)}svg .k5{fill:var(--c5)}
svg .buffer{fill-opacity:.75;stroke:var(--back)}
)";
}
