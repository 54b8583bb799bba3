//! Random trees of work: tasks within tasks, on threads and in callbacks, of several users. Each says by a pure interpreter what must be found at each
//! place, and by running what is found there. Whoever includes this file brings `context`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderValue, Request};
use tokio::runtime::Handle;

use super::SecurityContext;
use super::context::{
    self, CallContext, InContext, JoinSet, capture, carry, carry_async, carry_each, carry_nobody,
    scope_all, without_identity,
};
use super::places::{Seen, TAG, TENANT, body, dropped, look, pooled, with};

/// As many users, tenants and tags there are.
pub(crate) const SEVERAL: u8 = 5;
/// Nodes of a tree, and how deep they stand.
const MOST_NODES: usize = 12;
const DEEPEST: usize = 5;

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is looked at in one place, and what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// By the code that runs there.
    Here(Seen),
    /// By a call that is made there, for whoever made the world.
    Called(Seen),
}

/// What runs, and in which way what is below it does.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Look,
    Call,
    /// A body is polled by another task after its maker is gone.
    Body,
    /// A future is dropped half-way by another task.
    Dropped,
    /// On a pool whose threads run jobs of others while one waits there.
    Pooled,
    PooledByNobody,
    Yield(Box<Self>),
    InTurn(Vec<Self>),
    Join(Box<Self>, Box<Self>),
    Select(Box<Self>),
    Timeout(Box<Self>),
    As(u8, Box<Self>),
    AsNobody(Box<Self>),
    Whole(Seen, Box<Self>),
    Tenant(u8, Box<Self>),
    Tag(u8, Box<Self>),
    WithoutIdentity(Box<Self>),
    Spawn(Box<Self>),
    SpawnBlocking(Box<Self>),
    Set(Vec<Self>),
    Detach(Box<Self>),
    Raw(Box<Self>),
    RawInCurrent(Box<Self>),
    RawBlocking(Box<Self>),
    Thread(Box<Self>),
    CarriedThread(Box<Self>),
    CarriedEach(Box<Self>),
    Callback(Box<Self>),
    /// What was captured is all that another task has of it, as below a tower `Buffer`.
    Captured(Box<Self>),
}

/// What trees run in.
pub(crate) struct World {
    pub(crate) users: Vec<SecurityContext>,
    /// Makes a call and says who was seen by the callee.
    pub(crate) call: Box<dyn Fn() -> Boxed<Seen> + Send + Sync>,
}

/// Random numbers that are the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn one(&mut self) -> u8 {
        u8::try_from(self.below(usize::from(SEVERAL))).unwrap()
    }

    fn perhaps(&mut self) -> Option<u8> {
        (self.below(3) > 0).then(|| self.one())
    }

    pub(crate) fn seen(&mut self) -> Seen {
        Seen {
            user: self.perhaps(),
            tenant: self.perhaps(),
            tag: self.perhaps(),
        }
    }

    pub(crate) fn tree(&mut self) -> Tree {
        let mut nodes = MOST_NODES;
        self.node(DEEPEST, &mut nodes)
    }

    fn node(&mut self, deep: usize, left: &mut usize) -> Tree {
        *left = left.saturating_sub(1);
        if deep == 0 || *left == 0 {
            return match self.below(8) {
                0 => Tree::Body,
                1 => Tree::Dropped,
                2 | 3 => Tree::Call,
                4 => Tree::Pooled,
                5 => Tree::PooledByNobody,
                _ => Tree::Look,
            };
        }
        let kind = self.below(23);
        let mut below = |random: &mut Self| Box::new(random.node(deep - 1, left));
        match kind {
            0 => Tree::Yield(below(self)),
            1 => Tree::InTurn(vec![*below(self), Tree::Look, *below(self), Tree::Call]),
            2 => Tree::Join(below(self), below(self)),
            3 => Tree::Select(below(self)),
            4 => Tree::Timeout(below(self)),
            5 => Tree::As(self.one(), below(self)),
            6 => Tree::AsNobody(below(self)),
            7 => Tree::Whole(self.seen(), below(self)),
            8 => Tree::Tenant(self.one(), below(self)),
            9 => Tree::Tag(self.one(), below(self)),
            10 => Tree::WithoutIdentity(below(self)),
            11 => Tree::Spawn(below(self)),
            12 => Tree::SpawnBlocking(below(self)),
            13 => Tree::Set(vec![*below(self), *below(self)]),
            14 => Tree::Detach(below(self)),
            15 => Tree::Raw(below(self)),
            16 => Tree::RawInCurrent(below(self)),
            17 => Tree::RawBlocking(below(self)),
            18 => Tree::Thread(below(self)),
            19 => Tree::CarriedThread(below(self)),
            20 => Tree::CarriedEach(below(self)),
            21 => Tree::Callback(below(self)),
            _ => Tree::Captured(below(self)),
        }
    }
}

impl Tree {
    /// What must be found, in the order of the places, when the tree runs here. It knows nothing of tasks.
    pub(crate) fn expected(&self, here: Seen, found: &mut Vec<Found>) {
        match self {
            Self::Look | Self::Body | Self::Dropped | Self::Pooled => {
                found.push(Found::Here(here));
            }
            Self::PooledByNobody => found.push(Found::Here(Seen::default())),
            Self::Call => found.push(Found::Called(here)),
            Self::InTurn(all) | Self::Set(all) => {
                all.iter().for_each(|it| it.expected(here, found));
            }
            Self::Join(left, right) => {
                left.expected(here, found);
                right.expected(here, found);
            }
            Self::Yield(below)
            | Self::Select(below)
            | Self::Timeout(below)
            | Self::Spawn(below)
            | Self::SpawnBlocking(below)
            | Self::RawInCurrent(below)
            | Self::CarriedThread(below)
            | Self::CarriedEach(below)
            | Self::Callback(below)
            | Self::Captured(below) => below.expected(here, found),
            Self::As(user, below) => {
                let user = Some(*user);
                below.expected(
                    Seen {
                        user,
                        ..Seen::default()
                    },
                    found,
                );
            }
            Self::Whole(whole, below) => below.expected(*whole, found),
            Self::Tenant(tenant, below) => {
                let tenant = Some(*tenant);
                below.expected(Seen { tenant, ..here }, found);
            }
            Self::Tag(tag, below) => {
                let tag = Some(*tag);
                below.expected(Seen { tag, ..here }, found);
            }
            Self::AsNobody(below)
            | Self::WithoutIdentity(below)
            | Self::Detach(below)
            | Self::Raw(below)
            | Self::RawBlocking(below)
            | Self::Thread(below) => below.expected(Seen::default(), found),
        }
    }

    /// What is found, in the same order.
    pub(crate) fn run(self, world: Arc<World>) -> Boxed<Vec<Found>> {
        // Nothing is made before its place has come.
        Box::pin(async move { self.run_here(world).await })
    }

    fn run_here(self, world: Arc<World>) -> Boxed<Vec<Found>> {
        let below = |tree: Box<Self>| tree.run(Arc::clone(&world));
        match self {
            Self::Look => Box::pin(async { vec![Found::Here(look())] }),
            Self::Call => Box::pin(async move { vec![Found::Called((world.call)().await)] }),
            Self::Body => Box::pin(async { vec![Found::Here(body().await)] }),
            Self::Dropped => Box::pin(async { vec![Found::Here(dropped().await)] }),
            Self::Pooled => Box::pin(async {
                let here = pooled(|job| Box::new(carry(job))).await;
                vec![Found::Here(here)]
            }),
            Self::PooledByNobody => Box::pin(async {
                let here = pooled(|job| Box::new(carry_nobody(job))).await;
                vec![Found::Here(here)]
            }),
            Self::Yield(tree) => {
                let tree = below(tree);
                Box::pin(async {
                    tokio::task::yield_now().await;
                    tree.await
                })
            }
            Self::InTurn(all) => Box::pin(async move {
                let mut found = Vec::new();
                for tree in all {
                    found.extend(tree.run(Arc::clone(&world)).await);
                }
                found
            }),
            Self::Join(left, right) => {
                let (left, right) = (below(left), below(right));
                Box::pin(async { both(tokio::join!(left, right)) })
            }
            Self::Select(tree) => {
                let tree = below(tree);
                Box::pin(async {
                    tokio::select! {
                        found = tree => found,
                        () = std::future::pending() => Vec::new(),
                    }
                })
            }
            Self::Timeout(tree) => {
                let limited = tokio::time::timeout(std::time::Duration::from_secs(60), below(tree));
                Box::pin(async { limited.await.unwrap() })
            }
            Self::As(user, tree) => {
                let user = world.users[usize::from(user)].clone();
                Box::pin(context::scope(user, below(tree)))
            }
            Self::AsNobody(tree) => Box::pin(context::scope(None, below(tree))),
            Self::Whole(whole, tree) => Box::pin(scope_all(world.context(whole), below(tree))),
            Self::Tenant(number, tree) => Box::pin(with(TENANT, number, below(tree))),
            Self::Tag(number, tree) => Box::pin(with(TAG, number, below(tree))),
            Self::WithoutIdentity(tree) => Box::pin(without_identity(below(tree))),
            elsewhere => elsewhere.run_elsewhere(world),
        }
    }

    /// The same on other tasks and threads.
    fn run_elsewhere(self, world: Arc<World>) -> Boxed<Vec<Found>> {
        let below = |tree: Box<Self>| tree.run(Arc::clone(&world));
        match self {
            Self::Spawn(tree) => {
                let task = below(tree);
                Box::pin(async { context::spawn(task).await.unwrap() })
            }
            Self::SpawnBlocking(tree) => {
                let work = blocking(below(tree));
                Box::pin(async { context::spawn_blocking(work).await.unwrap() })
            }
            Self::Set(all) => Box::pin(set(all, world)),
            Self::Detach(tree) => {
                let task = below(tree);
                Box::pin(async { context::detach(task).await.unwrap() })
            }
            Self::Raw(tree) => {
                let task = below(tree);
                Box::pin(async { tokio::spawn(task).await.unwrap() })
            }
            Self::RawInCurrent(tree) => {
                let task = below(tree);
                Box::pin(async { tokio::spawn(task.in_current_context()).await.unwrap() })
            }
            Self::RawBlocking(tree) => {
                let work = blocking(below(tree));
                Box::pin(async { tokio::task::spawn_blocking(work).await.unwrap() })
            }
            Self::Thread(tree) => on_a_thread(below(tree), |work| work),
            Self::CarriedThread(tree) => on_a_thread(below(tree), |work| Box::new(carry(work))),
            Self::CarriedEach(tree) => on_a_thread(below(tree), |work| {
                let each = carry_each(|work: Work| work());
                Box::new(move || each(work))
            }),
            Self::Callback(tree) => {
                let task = below(tree);
                Box::pin(async {
                    // As a server does with what is to run after an upgrade.
                    let callback = carry_async(|task: Boxed<Vec<Found>>| task);
                    tokio::spawn(async { callback(task).await }).await.unwrap()
                })
            }
            Self::Captured(tree) => {
                let task = below(tree);
                Box::pin(async {
                    let mut request = Request::new(());
                    capture(&mut request);
                    let worker = async move {
                        let context = CallContext::of(request.extensions());
                        scope_all(context, task).await
                    };
                    tokio::spawn(worker).await.unwrap()
                })
            }
            here => here.run_here(world),
        }
    }
}

type Work = Box<dyn FnOnce() -> Vec<Found> + Send>;

impl World {
    /// The context of a request of this kind.
    pub(crate) fn context(&self, seen: Seen) -> CallContext {
        let user = seen.user.map(|it| self.users[usize::from(it)].clone());
        let mut context = CallContext::default().with_identity(user);
        for (name, number) in [(TENANT, seen.tenant), (TAG, seen.tag)] {
            if let Some(number) = number {
                context = context.with_header(name, HeaderValue::from(u16::from(number)));
            }
        }
        context
    }
}

fn both((mut left, right): (Vec<Found>, Vec<Found>)) -> Vec<Found> {
    left.extend(right);
    left
}

async fn set(all: Vec<Tree>, world: Arc<World>) -> Vec<Found> {
    let mut tasks = JoinSet::new();
    let count = all.len();
    for (place, tree) in all.into_iter().enumerate() {
        let task = tree.run(Arc::clone(&world));
        tasks.spawn(async move { (place, task.await) });
    }
    let mut found = vec![Vec::new(); count];
    while let Some(task) = tasks.join_next().await {
        let (place, here) = task.unwrap();
        found[place] = here;
    }
    found.concat()
}

fn blocking(task: Boxed<Vec<Found>>) -> Work {
    Box::new(move || Handle::current().block_on(task))
}

/// On a thread of its own, as `pass` gives the work to it.
fn on_a_thread(
    task: Boxed<Vec<Found>>,
    pass: impl FnOnce(Work) -> Work + Send + 'static,
) -> Boxed<Vec<Found>> {
    Box::pin(async {
        let (runtime, (say, said)) = (Handle::current(), tokio::sync::oneshot::channel());
        let work = pass(Box::new(move || runtime.block_on(task)));
        std::thread::spawn(move || say.send(work()).unwrap());
        said.await.unwrap()
    })
}
