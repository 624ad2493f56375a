// core
import { faultSuite } from "./support/matrix.ts";

faultSuite("update");
