import { listenDeno } from './listenDeno.ts';
import { main } from './serve.ts';

await main(listenDeno);
