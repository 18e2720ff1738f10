package inbox_test

import _ "math/rand"
