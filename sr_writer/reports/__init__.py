"""Documents made of content items: coded reports, plain reports, key object selections."""
