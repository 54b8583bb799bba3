//! Instances that metrics show.

use super::*;
use crate::upstream::InstanceStanding;

/// Who is shown at this moment.
#[derive(Clone, Debug, Default)]
struct Shown(Arc<Mutex<Vec<u16>>>);

impl InstanceObserver for Shown {
    fn instance_joined(&self, instance: &Instance) -> OnBreakerChange {
        self.0.lock().unwrap().push(instance.port());
        Box::new(|_| ())
    }

    fn instance_left(&self, instance: &Instance) {
        self.0.lock().unwrap().retain(|it| *it != instance.port());
    }
}

#[tokio::test]
async fn an_instance_that_discovery_withdraws_is_not_shown_any_more_nor_any_without_its_upstream() {
    let mut fixture = upstream(&[1, 2]);
    let shown = Shown::default();
    fixture.upstream = fixture.upstream.with_observer(shown.clone());
    let ports = || shown.0.lock().unwrap().clone();
    fixture.choose().await;
    assert_eq!(ports(), [1, 2]);
    fixture.registry.set(&[2, 3]);
    fixture.choose().await;
    assert_eq!(ports(), [2, 3]);
    drop(fixture);
    assert!(ports().is_empty());
}

#[tokio::test]
async fn a_report_says_which_instances_there_are_and_how_they_do() {
    let fixture = upstream(&[1, 2]);
    assert_eq!(fixture.upstream.report(), [], "nobody has asked yet");
    let chosen = fixture.choose().await;
    let report = fixture.upstream.report();
    let mut ports: Vec<_> = report.iter().map(|it| it.instance.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [1, 2]);
    for it in &report {
        let is_chosen = it.instance == *chosen.instance();
        assert_eq!(it.in_flight, usize::from(is_chosen));
        assert_eq!(it.standing, InstanceStanding::Fit);
        assert_eq!(it.weight, 1);
    }
}
