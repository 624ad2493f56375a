import { crashSuite } from "../matrix/support/phases.ts";

crashSuite("new CA");
