/** A local Fly for a suite, with one app and an image in it. */
import { startLocalFly, type LocalFly, type LocalFlyOptions } from "../../../dev/fly/index.ts";
import { Api } from "../../../dev/harness/api.ts";
import { pushImage } from "../../../dev/harness/image.ts";

/** Construct it inside `describe`: it adds hooks. */
export class AppFixture {
    fly!: LocalFly;
    api!: Api;
    image!: string;

    constructor(app: string, options: LocalFlyOptions = {}) {
        before(async () => {
            this.fly = await startLocalFly(options);
            this.api = new Api(this.fly);
            await this.api.app(app);
            this.image = await pushImage(this.fly, app);
        });
        after(() => this.fly?.close());
    }
}
