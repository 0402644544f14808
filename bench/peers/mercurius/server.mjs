// Fastify and Mercurius with JIT, loaders, postgres.js and mqemitter-redis, as their documentation has them.
// Over Mela's own tables. No limits, no authorisation, no rules.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { GraphQLScalarType } from 'graphql'
import postgres from 'postgres'
import mqRedis from 'mqemitter-redis'

const env = process.env
const sql = postgres({
  host: env.BENCH_PG_HOST, port: +env.BENCH_PG_PORT, user: env.BENCH_PG_USER, password: env.BENCH_PG_PASSWORD,
  database: env.BENCH_PG_DATABASE, max: 10, transform: postgres.camel,
  types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } }
})
const redis = env.BENCH_REDIS_PATH
  ? { path: env.BENCH_REDIS_PATH }
  : { host: env.BENCH_REDIS_HOST, port: +env.BENCH_REDIS_PORT }

const schema = `
scalar BigInt
scalar DateTime
scalar _Any
union _Entity = User | Auction
type User { id: ID! username: String! displayName: String! avatarUrl: String }
type Bid { id: ID! amount: BigInt! placedAt: DateTime! bidder: User! }
type Auction { id: ID! title: String! description: String! currency: String! startingPrice: BigInt! currentPrice: BigInt!
  bidCount: Int! status: String! startsAt: DateTime! endsAt: DateTime! createdAt: DateTime! seller: User!
  topBids(first: Int = 3): [Bid!]! }
type PageInfo { hasNextPage: Boolean! endCursor: String }
type AuctionEdge { cursor: String! node: Auction! }
type AuctionConnection { edges: [AuctionEdge!]! pageInfo: PageInfo! }
type Query { user(id: ID!): User auctions(first: Int!): AuctionConnection! _entities(representations: [_Any!]!): [_Entity]! }
type Subscription { bidPlaced(auctionId: ID!): Bid! }`

const cursorOf = a => Buffer.from(`${+a.createdAt}:${a.id}`).toString('base64')
async function users (ids) {
  const found = new Map()
  for (const user of await sql`SELECT id, username, display_name, avatar_url FROM user_account
      WHERE id = ANY(${[...new Set(ids)]}::uuid[])`) found.set(user.id, user)
  return ids.map(id => found.get(id))
}
const auctionColumns = sql`id, title, description, asset AS currency, starting_price_minor AS starting_price,
  current_price_minor AS current_price, bid_count, status, starts_at, ends_at, created_at, seller_id`
const resolvers = {
  BigInt: new GraphQLScalarType({ name: 'BigInt', serialize: v => v, parseValue: Number }),
  DateTime: new GraphQLScalarType({ name: 'DateTime', serialize: v => typeof v === 'string' ? v : v.toISOString() }),
  _Any: new GraphQLScalarType({ name: '_Any', serialize: v => v, parseValue: v => v }),
  _Entity: { resolveType: row => row.__typename },
  Query: {
    user: async (_, { id }) =>
      (await sql`SELECT id, username, display_name, avatar_url FROM user_account WHERE id = ${id}`)[0],
    auctions: async (_, { first }) => {
      const rows = await sql`SELECT ${auctionColumns} FROM auction
        ORDER BY created_at DESC, id DESC LIMIT ${first + 1}`
      const edges = rows.slice(0, first).map(node => ({ cursor: cursorOf(node), node }))
      return { edges, pageInfo: { hasNextPage: rows.length > first, endCursor: edges.at(-1)?.cursor ?? null } }
    },
    _entities: async (_, { representations }) =>
      (await users(representations.map(one => one.id))).map(user => user && { __typename: 'User', ...user })
  },
  Subscription: { bidPlaced: { subscribe: (_, { auctionId }, { pubsub }) => pubsub.subscribe(`mercurius:${auctionId}`) } }
}
const opts = { cache: false }
const loaders = {
  Auction: {
    seller: { loader: async asked => users(asked.map(one => one.obj.sellerId)), opts },
    topBids: {
      loader: async asked => {
        const most = Math.max(...asked.map(one => one.params.first))
        const found = new Map(asked.map(one => [one.obj.id, []]))
        for (const bid of await sql`SELECT b.* FROM unnest(${[...found.keys()]}::uuid[]) a(id)
            CROSS JOIN LATERAL (SELECT id, auction_id, bidder_id, amount_minor AS amount, placed_at FROM bid
            WHERE auction_id = a.id ORDER BY amount_minor DESC, sequence LIMIT ${most}) b`) found.get(bid.auctionId).push(bid)
        return asked.map(one => found.get(one.obj.id).slice(0, one.params.first))
      },
      opts
    }
  },
  Bid: {
    bidder: {
      loader: async asked => asked[0]?.obj.bidder
        ? asked.map(one => one.obj.bidder)
        : users(asked.map(one => one.obj.bidderId)),
      opts
    }
  }
}
const app = Fastify({ logger: false, bodyLimit: 8 << 20 })
app.register(mercurius, { schema, resolvers, loaders, jit: 1, graphiql: false, subscription: { emitter: mqRedis(redis) } })
await app.listen({ port: +env.PORT, host: '127.0.0.1' })
