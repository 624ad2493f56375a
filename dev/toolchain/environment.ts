/** Environment of Pulumi's CLI that leaves the user's own home and backend alone. */
import path from "node:path";
import { BIN, PULUMI_HOME } from "../../lib/paths.ts";

/**
 * Builds that environment.
 * @param backend folder of the state
 */
export function pulumiEnvironment(backend: string) {
    return {
        PATH: [BIN, process.env.PATH].join(path.delimiter),
        PULUMI_HOME,
        // Without metadata: the backend does not write them atomically with the state, so a process
        // killed in between leaves an unreadable state (gocloud.dev `fileblob`).
        PULUMI_BACKEND_URL: `file://${backend}?metadata=skip`,
        PULUMI_SKIP_UPDATE_CHECK: "true",
        // The CLI scans all its logs at each start, and by default keeps 500 MB of them.
        PULUMI_LOG_ROTATION_MAX_AGE_DAYS: "1",
        PULUMI_LOG_ROTATION_MAX_TOTAL_MB: "50",
    };
}
