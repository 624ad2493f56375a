/**
 * `node toolchain/base-image/make.ts [IMAGE …]`: sees to it that base images are in the local Docker
 * (default: the one that the broker's image is built on).
 */
import { DEFAULT_BASE_IMAGE } from "../../config/defaults.ts";
import { ensureBaseImage } from "./index.ts";

const images = process.argv.length > 2 ? process.argv.slice(2) : [DEFAULT_BASE_IMAGE];
try {
    for (const image of images) await ensureBaseImage(image);
} catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
}
