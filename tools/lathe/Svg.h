//===- Svg.h - Writes pictures as SVG ---------------------------*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_SVG_H
#define LATHE_TOOLS_LATHE_SVG_H

#include <string>
#include <string_view>

namespace lathe::cli {

/// `Text` for the inside of an element or of an attribute in quotes, of HTML and of
/// XML: markup is escaped, what is no UTF-8 or no character of XML becomes U+FFFD.
std::string escapeMarkup(std::string_view Text);

/// Builds one picture.  Coordinates are pixels, y goes down.  `Class` names a rule of
/// the style sheet; `Title` is shown when the pointer rests on a shape.
class SvgPicture {
public:
  SvgPicture(double Width, double Height) : Width(Width), Height(Height) {}

  void rect(double X, double Y, double W, double H, std::string_view Class,
            std::string_view Title = {}, double Radius = 0);
  void line(double X1, double Y1, double X2, double Y2, std::string_view Class);
  /// A curve that leaves and arrives vertically.
  void drop(double X1, double Y1, double X2, double Y2, std::string_view Class);
  void circle(double X, double Y, double Radius, std::string_view Class,
              std::string_view Title = {});
  /// `Anchor` is "start", "middle" or "end".
  void text(double X, double Y, std::string_view Words, std::string_view Class,
            std::string_view Anchor = "start");
  void grow(double NewHeight) { Height = NewHeight; }

  /// The element, with `Style` as its own style sheet unless it is empty.
  std::string take(std::string_view Style = {}) const;

private:
  std::string attributes(std::string_view Class) const;

  double Width, Height;
  std::string Body;
};

/// Colours and fonts of all pictures and of the page around them, for light and dark.
std::string_view pictureStyle();

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_SVG_H
