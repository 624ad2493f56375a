import * as pulumi from "@pulumi/pulumi";
import { FlyClient } from "../providers/fly/client.ts";
import { dataWarnings } from "../verification/dataWarnings.ts";

export interface DataWarningsArgs {
    endpoint: string;
    token: string | undefined;
    app: pulumi.Input<string>;
    machineId: pulumi.Input<string>;
    /** The verification's report: the machine is asked after it, at each `up`. */
    report: pulumi.Input<string>;
}

/**
 * The report as it is, once what the broker's last start found of its data has been warned of. The
 * warnings are no part of it: an output that only an `up` can know differs at each preview, which asks
 * nothing.
 */
export function tellingOfData(args: DataWarningsArgs): pulumi.Output<string> {
    const { endpoint, token, app, machineId, report } = args;
    return pulumi.all([app, machineId, report]).apply(async ([app, machineId, report]) => {
        if (pulumi.runtime.isDryRun()) return report;
        const client = new FlyClient({ endpoint, token });
        const lines = await dataWarnings(client, app, machineId).catch((error: Error) => [
            `data - whether any was put aside is not known: ${error.message}`,
        ]);
        for (const line of lines) await pulumi.log.warn(line);
        return report;
    });
}
