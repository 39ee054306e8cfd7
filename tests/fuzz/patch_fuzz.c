/* Bodies that change things: what Properties make of them, and the notes that go back. The first
 * byte chooses POST's way or PATCH's. */
#include <jansson.h>
#include <string.h>

#include "api/properties.h"
#include "tests/fuzz/fuzz.h"
