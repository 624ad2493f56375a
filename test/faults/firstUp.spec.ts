import { faultSuite } from "./support/matrix.ts";

faultSuite("first up");
