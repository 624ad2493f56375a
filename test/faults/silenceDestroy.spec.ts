import { silenceSuite } from "./support/matrix.ts";

silenceSuite("destroy");
