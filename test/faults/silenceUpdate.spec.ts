import { silenceSuite } from "./support/matrix.ts";

silenceSuite("update");
