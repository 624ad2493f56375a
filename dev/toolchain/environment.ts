/** What Pulumi's CLI runs with where it must not touch the user's own home and backend. */
import path from "node:path";
import { BIN, PULUMI_HOME } from "../../lib/paths.ts";

/** @param backend folder that holds the state */
export function pulumiEnvironment(backend: string) {
    return {
        PATH: [BIN, process.env.PATH].join(path.delimiter),
        PULUMI_HOME,
        // Without metadata: the backend writes those beside the state not in one step, and one that
        // was killed in between leaves a state that cannot be read (gocloud.dev `fileblob`).
        PULUMI_BACKEND_URL: `file://${backend}?metadata=skip`,
        PULUMI_SKIP_UPDATE_CHECK: "true",
        // The CLI looks at all of its logs at each start, and keeps 500 MB of them by itself.
        PULUMI_LOG_ROTATION_MAX_AGE_DAYS: "1",
        PULUMI_LOG_ROTATION_MAX_TOTAL_MB: "50",
    };
}
