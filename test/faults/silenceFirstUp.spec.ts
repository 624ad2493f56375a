import { silenceSuite } from "./support/matrix.ts";

silenceSuite("first up");
