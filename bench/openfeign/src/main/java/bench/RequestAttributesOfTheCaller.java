package bench;

import org.springframework.cloud.circuitbreaker.resilience4j.Resilience4JCircuitBreakerFactory;
import org.springframework.cloud.client.circuitbreaker.Customizer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.task.TaskDecorator;
import org.springframework.scheduling.concurrent.ThreadPoolTaskExecutor;
import org.springframework.web.context.request.RequestContextHolder;

/** The cure for the breaker's threads: what the caller's thread knows is put there and taken away again. */
@Configuration
class RequestAttributesOfTheCaller {
    @Bean
    Customizer<Resilience4JCircuitBreakerFactory> threads() {
        var executor = new ThreadPoolTaskExecutor();
        executor.setCorePoolSize(200);
        executor.setTaskDecorator(copied());
        executor.initialize();
        return factory -> factory.configureExecutorService(executor.getThreadPoolExecutor());
    }

    private static TaskDecorator copied() {
        return task -> {
            var attributes = RequestContextHolder.getRequestAttributes();
            return () -> {
                RequestContextHolder.setRequestAttributes(attributes);
                try {
                    task.run();
                } finally {
                    RequestContextHolder.resetRequestAttributes();
                }
            };
        };
    }
}
