// core
import { crashSuite } from "../matrix/support/phases.ts";

crashSuite("update");
