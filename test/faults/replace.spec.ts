import { faultSuite } from "./support/matrix.ts";

faultSuite("replace");
