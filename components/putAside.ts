import * as pulumi from "@pulumi/pulumi";
import { FlyClient } from "../providers/fly/client.ts";
import { putAside } from "../verification/putAside.ts";

export interface PutAsideArgs {
    endpoint: string;
    token: string | undefined;
    app: pulumi.Input<string>;
    machineId: pulumi.Input<string>;
    /** The verification's report: the machine is asked after it, at each `up`. */
    report: pulumi.Input<string>;
}

/**
 * The report with a line for each file of data that the broker could not read. They are warnings of the
 * `up` too; a preview asks nothing.
 */
export function withPutAside(args: PutAsideArgs): pulumi.Output<string> {
    const { endpoint, token, app, machineId, report } = args;
    return pulumi.all([app, machineId, report]).apply(async ([app, machineId, report]) => {
        if (pulumi.runtime.isDryRun()) return report;
        const client = new FlyClient({ endpoint, token });
        const lines = await putAside(client, app, machineId).catch((error: Error) => [
            `data - whether any was put aside is not known: ${error.message}`,
        ]);
        for (const line of lines) await pulumi.log.warn(line);
        return [report, ...lines.map((line) => `WARNING           ${line}`)].join("\n");
    });
}
